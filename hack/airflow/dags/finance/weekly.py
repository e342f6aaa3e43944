"""Sums up a week."""

try:
    from airflow.sdk import dag, task
except ImportError:  # Airflow 2
    from airflow.decorators import dag, task


@dag(
    dag_id="finance_weekly",
    schedule=None,
    tags=["finance", "weekly"],
    default_args={"owner": "team-finance"},
)
def finance_weekly():
    @task
    def sum_up() -> int:
        return 5 * 245

    sum_up()


finance_weekly()
