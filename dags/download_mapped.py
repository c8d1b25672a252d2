"""Download whatever lies under a prefix, one mapped task for each object."""

import tempfile

from airflow.sdk import DAG, task

from aksk_provider.hooks.object_storage import ObjectStorageHook
from aksk_provider.operators import DownloadObjectOperator

with DAG(
    "download_mapped",
    schedule=None,
    params={"prefix": "incoming/", "folder": f"{tempfile.gettempdir()}/incoming"},
):

    @task
    def find(params: dict) -> list[str]:
        hook = ObjectStorageHook("aksk_default")
        return [info.uri for info in hook.list(params["prefix"]) if info.size]

    @task
    def total(files: list[dict]) -> int:
        return sum(file["size"] for file in files)

    # `task` is the mapped task: its key is rendered before its target.
    download = DownloadObjectOperator.partial(
        task_id="download",
        aksk_conn_id="aksk_default",
        target="{{ params.folder }}/{{ task.key.rpartition('/')[2] }}",
        max_active_tis_per_dag=8,
    ).expand(key=find())
    total(download.output)
