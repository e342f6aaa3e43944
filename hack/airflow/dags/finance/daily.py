"""The DAG of the examples: books a day's payments."""

try:
    from airflow.sdk import dag, task
except ImportError:  # Airflow 2
    from airflow.decorators import dag, task


@dag(
    dag_id="finance_daily",
    schedule=None,
    tags=["finance", "daily"],
    default_args={"owner": "team-finance"},
)
def finance_daily():
    @task
    def collect() -> list[int]:
        return [120, 80, 45]

    @task
    def book(amounts: list[int]) -> int:
        return sum(amounts)

    book(collect())


finance_daily()
