"""Upload a report, and go on when it and the file that another system delivers are both there."""

import tempfile
from datetime import timedelta
from pathlib import Path

from airflow.sdk import DAG, task

from aksk_provider.operators import UploadObjectOperator
from aksk_provider.sensors import ObjectKeySensor

with DAG("upload_and_wait", schedule=None):

    @task
    def write_report() -> str:
        path = Path(tempfile.mkdtemp(), "report.csv")
        path.write_text("city,visitors\nBeijing,21893095\nShanghai,24870895\n")
        return str(path)

    @task
    def summarise(found: list[dict]) -> int:
        return sum(info["size"] for info in found)

    upload = UploadObjectOperator(
        task_id="upload",
        aksk_conn_id="aksk_default",
        source=write_report(),
        key="reports/{{ dag_run.run_after | ds }}/report.csv",
        metadata={"run": "{{ run_id }}"},
        headers={"Cache-Control": "no-cache"},
    )
    # Two tasks may not share a key by accident: this one refuses to replace an object that is there.
    marker = UploadObjectOperator(
        task_id="marker",
        source="{{ ti.xcom_pull('write_report') }}",
        key="reports/{{ dag_run.run_after | ds }}/{{ run_id }}.done",
        content_type="text/plain",
        overwrite=False,
    )
    # Waits between looks without holding a worker slot; a 403 or a missing bucket fails at once.
    wait = ObjectKeySensor(
        task_id="wait",
        key=["{{ ti.xcom_pull('upload')['uri'] }}", "reports/{{ dag_run.run_after | ds }}/*.done"],
        mode="reschedule",
        poke_interval=30,
        timeout=timedelta(hours=6).total_seconds(),
    )
    upload >> marker >> wait
    summarise(wait.output)
