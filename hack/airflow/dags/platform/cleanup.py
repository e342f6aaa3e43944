"""Removes what is old."""

try:
    from airflow.sdk import dag, task
except ImportError:  # Airflow 2
    from airflow.decorators import dag, task


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
