"""Saves what is new."""

try:
    from airflow.sdk import dag, task
except ImportError:  # Airflow 2
    from airflow.decorators import dag, task


@dag(
    dag_id="platform_backup",
    schedule=None,
    tags=["platform"],
    default_args={"owner": "team-platform"},
)
def platform_backup():
    @task
    def save() -> str:
        return "saved"

    save()


platform_backup()
