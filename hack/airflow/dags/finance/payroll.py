"""The DAG that a policy for the rest of finance leaves out."""

try:
    from airflow.sdk import dag, task
except ImportError:  # Airflow 2
    from airflow.decorators import dag, task


@dag(
    dag_id="finance_payroll",
    schedule=None,
    tags=["finance", "confidential"],
    default_args={"owner": "team-payroll"},
)
def finance_payroll():
    @task
    def pay() -> int:
        return 42

    pay()


finance_payroll()
