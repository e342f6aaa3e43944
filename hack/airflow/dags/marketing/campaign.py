"""Starts a campaign."""

try:
    from airflow.sdk import dag, task
except ImportError:  # Airflow 2
    from airflow.decorators import dag, task


@dag(
    dag_id="marketing_campaign",
    schedule=None,
    tags=["marketing"],
    default_args={"owner": "team-marketing"},
)
def marketing_campaign():
    @task
    def send() -> str:
        return "sent"

    send()


marketing_campaign()
