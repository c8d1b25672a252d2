"""Hand out links that work without an account: one to upload a file, then one to download it."""

from __future__ import annotations

from datetime import timedelta

import requests
from airflow.sdk import DAG, task

from aksk_provider.operators import PresignURLOperator

with DAG("presigned_links", schedule=None, default_args={"aksk_conn_id": "aksk_default"}):
    put_link = PresignURLOperator(
        task_id="put_link",
        key="handed-in/{{ run_id }}.csv",
        method="PUT",
        headers={"Content-Type": "text/csv"},
        expires_in=timedelta(hours=1),
    )

    # What somebody else does with the link; the headers it was signed with must be sent as they are.
    @task
    def hand_in(link: dict) -> None:
        answer = requests.put(link["url"], data=b"a,b\n1,2\n", headers=link["signed_headers"], timeout=60)
        answer.raise_for_status()

    get_link = PresignURLOperator(
        task_id="get_link",
        key="handed-in/{{ run_id }}.csv",
        params={"response-content-disposition": 'attachment; filename="report.csv"'},
        expires_at="{{ dag_run.run_after + macros.timedelta(hours=12) }}",
    )

    @task
    def fetch(link: dict) -> dict:
        answer = requests.get(link["url"], headers=link["signed_headers"], timeout=60)
        answer.raise_for_status()
        return {"saved_as": answer.headers.get("Content-Disposition"), "content": answer.text}

    hand_in(put_link.output) >> get_link
    fetch(get_link.output)
