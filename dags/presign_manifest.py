"""Sign a link for every object under a prefix, and hand out the file of links by one link."""

import json
from datetime import timedelta

import requests
from airflow.sdk import DAG, task

from aksk_provider.operators import PresignManifestOperator, PresignURLOperator

params = {"prefix": "exports/", "target": "oss://examplebucket/links.jsonl"}

with DAG("presign_manifest", schedule=None, params=params, default_args={"aksk_conn_id": "aksk_default"}):
    # The URI of an object; a path would be a file on the worker that runs the task.
    links = PresignManifestOperator(
        task_id="links", prefix="{{ params.prefix }}", target="{{ params.target }}", expires_in=timedelta(hours=1)
    )

    # Whoever reads the manifest can use its links, so its own link is as short-lived as they are.
    link_to_links = PresignURLOperator(
        task_id="link_to_links",
        key="{{ ti.xcom_pull('links')['manifest'] }}",
        expires_at="{{ ti.xcom_pull('links')['expires_at'] }}",
    )

    @task
    def count_bytes(ti) -> int:
        # what a partner without an account does
        manifest = requests.get(ti.xcom_pull("link_to_links")["url"], timeout=60)
        total = 0
        for line in manifest.iter_lines():
            link = json.loads(line)
            total += len(requests.get(link["url"], headers=link["signed_headers"], timeout=60).content)
        return total

    links >> link_to_links >> count_bytes()
