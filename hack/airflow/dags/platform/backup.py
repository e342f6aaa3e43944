"""Saves what is new."""

from airflow.sdk import dag, task


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
