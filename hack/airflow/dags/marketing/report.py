"""Writes the marketing report."""

try:
    from airflow.sdk import dag, task
except ImportError:  # Airflow 2
    from airflow.decorators import dag, task


@dag(
    dag_id="marketing_report",
    schedule=None,
    tags=["marketing", "daily"],
    default_args={"owner": "team-marketing"},
)
def marketing_report():
    @task
    def write() -> str:
        return "written"

    write()


marketing_report()
