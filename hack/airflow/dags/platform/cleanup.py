"""Removes what is old."""

from airflow.sdk import dag, task


@dag(
    dag_id="platform_cleanup",
    schedule=None,
    tags=["platform", "daily"],
    default_args={"owner": "team-platform"},
)
def platform_cleanup():
    @task
    def remove() -> str:
        return "removed"

    remove()


platform_cleanup()
