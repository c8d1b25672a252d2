"""Transfers and deferred sensors by the hundred, over the three clouds; what is to be done comes from the environment.

Uploads and downloads are mapped over one file each, the large ones in parts. The sensors wait for objects that the
last task publishes when every transfer is done.
"""

from __future__ import annotations

import json
import os
from datetime import timedelta
from pathlib import Path

from airflow.sdk import DAG, task

from aksk_provider.hooks.object_storage import ObjectStorageHook
from aksk_provider.operators import DownloadObjectOperator, UploadObjectOperator
from aksk_provider.sensors import ObjectKeySensor

PLAN = json.loads(Path(os.environ["CLUSTER_PLAN"]).read_text())
# A try that finds the same bytes at its destination has nothing left to do.
ONCE = {"skip_equal": True}

with DAG(
    "transfers_and_waits",
    schedule=None,
    max_active_tasks=1000,
    default_args={"retries": 5, "retry_delay": timedelta(seconds=2), "weight_rule": "absolute"},
):

    @task(priority_weight=10)
    def upload_in_parts(source: str, key: str, aksk_conn_id: str) -> None:
        ObjectStorageHook(aksk_conn_id).upload(source, key, options=parts(), **ONCE)

    @task(priority_weight=10)
    def download_in_parts(key: str, target: str, aksk_conn_id: str) -> None:
        ObjectStorageHook(aksk_conn_id).download(key, target, options=parts(), **ONCE)

    def parts():
        from aksk_provider.storage.transfer import TransferOptions

        return TransferOptions(threshold=1024**2, part_size=1024**2)

    transfers = [
        upload_in_parts.expand_kwargs(PLAN["upload_in_parts"]),
        download_in_parts.expand_kwargs(PLAN["download_in_parts"]),
        UploadObjectOperator.partial(task_id="upload", **ONCE).expand_kwargs(PLAN["upload"]),
        DownloadObjectOperator.partial(task_id="download", **ONCE).expand_kwargs(PLAN["download"]),
    ]
    transfers >> UploadObjectOperator.partial(task_id="publish", **ONCE).expand_kwargs(PLAN["publish"])

    ObjectKeySensor.partial(
        task_id="wait", deferrable=True, poke_interval=15, timeout=1800, priority_weight=100
    ).expand_kwargs(PLAN["wait"])
