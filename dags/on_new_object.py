"""Start when an object arrives: a watch in the triggerer tells of each new one, once, and no sensor waits."""

from tempfile import NamedTemporaryFile

from airflow.sdk import DAG, Asset, AssetAlias, AssetWatcher, task

from aksk_provider.hooks.object_storage import ObjectStorageHook
from aksk_provider.operators import UploadObjectOperator
from aksk_provider.triggers.object_events import ObjectEventTrigger

watch = ObjectEventTrigger("incoming/*.csv", aksk_conn_id="aksk_default", poke_interval=30, settle=10)
incoming = Asset("incoming_csv", watchers=[AssetWatcher(name="incoming_csv", trigger=watch)])

with DAG("on_new_object", schedule=[incoming], catchup=False, max_active_runs=4):

    @task
    def count(triggering_asset_events=None) -> str:
        hook, lines = ObjectStorageHook("aksk_default"), {}
        for event in triggering_asset_events[incoming] if triggering_asset_events else []:
            new = event.extra["payload"]
            with hook.open(new["uri"]) as stream:
                lines[new["uri"]] = sum(1 for _ in stream)
        with NamedTemporaryFile("w", suffix=".txt", delete=False) as file:
            file.writelines(f"{uri}\t{number}\n" for uri, number in lines.items())
        return file.name

    # What it writes is an asset too: others may be scheduled by Asset("counted") or by the object's own URI.
    UploadObjectOperator(
        task_id="publish",
        source=count(),
        key="counted/{{ run_id }}.txt",
        outlets=[AssetAlias("counted")],
    )
