"""Hand out links that work without an account: one to upload a file, then one to download it."""

from datetime import timedelta

import requests
from airflow.sdk import DAG, task

from aksk_provider.operators import PresignURLOperator

with DAG("presigned_links", schedule=None, default_args={"aksk_conn_id": "aksk_default"}):
    put_link = PresignURLOperator(
        task_id="put_link",
        key="handed-in/{{ run_id }}.csv",
        method="PUT",
        content_type="text/csv",
        expires_in=timedelta(hours=1),
    )

    # A link is a secret: pull it inside the task, as an argument it would show among the rendered templates.
    # Whoever uses it must send the headers it was signed with.
    @task
    def hand_in(ti) -> None:
        link = ti.xcom_pull("put_link")
        answer = requests.put(link["url"], data=b"a,b\n1,2\n", headers=link["signed_headers"], timeout=60)
        if not answer.ok:  # the error of raise_for_status() would show the link
            raise RuntimeError(answer.text)

    get_link = PresignURLOperator(
        task_id="get_link",
        key="handed-in/{{ run_id }}.csv",
        filename="report.csv",
        expires_at="{{ dag_run.run_after + macros.timedelta(hours=12) }}",
    )

    @task
    def fetch(ti) -> dict:
        link = ti.xcom_pull("get_link")
        answer = requests.get(link["url"], headers=link["signed_headers"], timeout=60)
        if not answer.ok:
            raise RuntimeError(answer.text)
        return {"saved_as": answer.headers.get("Content-Disposition"), "content": answer.text}

    put_link >> hand_in() >> get_link >> fetch()
