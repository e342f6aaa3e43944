"""Two DAGs in one file: the source of one is the source of the other."""

try:
    from airflow.sdk import dag, task
except ImportError:  # Airflow 2
    from airflow.decorators import dag, task


@dag(
    dag_id="finance_reconcile",
    schedule=None,
    tags=["finance", "closing"],
    default_args={"owner": "team-finance"},
)
def finance_reconcile():
    @task
    def compare() -> int:
        return 0

    compare()


@dag(
    dag_id="finance_month_end",
    schedule=None,
    tags=["finance", "closing", "monthly"],
    default_args={"owner": "team-finance"},
)
def finance_month_end():
    @task
    def close() -> str:
        return "closed"

    close()


finance_reconcile()
finance_month_end()
