"""Writes the marketing report."""

from airflow.sdk import dag, task


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
