"""Wait for an export that another system writes, in three ways, and say what came."""

from datetime import timedelta

from airflow.sdk import DAG, task

from aksk_provider.sensors import ObjectKeySensor, PrefixSensor, PrefixUnchangedSensor

with DAG(
    "waiting_for_exports",
    schedule=None,
    params={"prefix": "exports/"},
    default_args={"deferrable": True, "poke_interval": 30, "timeout": timedelta(hours=6)},
):
    # The writer leaves a marker when it is done: the surest way.
    marked = PrefixSensor(task_id="marked", prefix="{{ params.prefix }}", marker="_SUCCESS", min_objects=2)

    # It leaves none: nothing was written or deleted for a while.
    quiet = PrefixUnchangedSensor(
        task_id="quiet", prefix="{{ params.prefix }}", min_objects=2, inactivity_period=timedelta(seconds=2)
    )

    # Or one file says it: written in this interval, not empty, and with a header that a look at it tells.
    listed = ObjectKeySensor(
        task_id="listed",
        key=r"{{ params.prefix }}part-\d+\.csv",
        regex=True,
        newer_than="{{ dag_run.run_after - macros.timedelta(days=1) }}",
        min_size=1,
        check_fn=lambda info: info["storage_class"] != "ARCHIVE",
    )

    @task
    def report(counted: dict, parts: list[dict]) -> dict:
        return {"bytes": counted["size"], "parts": [info["key"] for info in parts]}

    marked >> quiet >> listed
    report(quiet.output, listed.output)
