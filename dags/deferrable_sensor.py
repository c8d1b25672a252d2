"""Wait for files in the triggerer, which watches many at once and holds no worker slot, and read them."""

from datetime import timedelta

from airflow.sdk import DAG, task

from aksk_provider.hooks.object_storage import ObjectStorageHook
from aksk_provider.sensors import ObjectKeySensor

with DAG("deferrable_sensor", schedule=None, params={"key": "incoming/*.csv"}):
    wait = ObjectKeySensor(
        task_id="wait",
        aksk_conn_id="aksk_default",
        key="{{ params.key }}",
        deferrable=True,
        poke_interval=15,
        timeout=timedelta(hours=12).total_seconds(),
        soft_fail=True,  # nothing came: skip what follows instead of failing
    )

    @task
    def count_lines(found: list[dict]) -> dict[str, int]:
        hook, counts = ObjectStorageHook("aksk_default"), {}
        for info in found:
            with hook.open(info["uri"]) as stream:
                counts[info["key"]] = sum(1 for _ in stream)
        return counts

    count_lines(wait.output)
