"""Let a partner without any key deliver two files, one by browser and a large one by curl, and wait for them."""

from datetime import timedelta
from pathlib import Path

from airflow.sdk import DAG, task

from aksk_provider.operators import UploadTicketOperator
from aksk_provider.sensors import ObjectKeySensor
from aksk_provider.storage.presigning.handover import form_page
from aksk_provider.storage.presigning.ticket_script import multipart_script
from aksk_provider.storage.presigning.tickets import read_form

with DAG(
    "upload_ticket",
    schedule=None,
    params={"outbox": "/tmp/outbox", "size": 10_485_760},  # noqa: S108
    default_args={"aksk_conn_id": "aksk_default"},
):
    summary = UploadTicketOperator(
        task_id="summary",
        key="inbox/{{ run_id }}/summary.csv",
        max_size=1024**2,
        content_type="text/csv",
        expires_in=timedelta(hours=6),
    )
    data = UploadTicketOperator(
        task_id="data",
        kind="multipart",
        key="inbox/{{ run_id }}/data.bin",
        size="{{ params.size }}",
        expires_in=timedelta(hours=6),
    )

    # Tickets are secrets: pull them inside the task, as arguments they would show among the rendered templates.
    @task
    def hand_over(ti, params) -> None:
        outbox = Path(params["outbox"])
        outbox.mkdir(parents=True, exist_ok=True)
        (outbox / "summary.html").write_text(form_page(read_form(ti.xcom_pull("summary"))), "utf-8")
        (outbox / "data.sh").write_text(multipart_script(ti.xcom_pull("data")), "utf-8")

    # Waits in the triggerer, without a worker slot.
    arrived = ObjectKeySensor(
        task_id="arrived",
        key=["inbox/{{ run_id }}/summary.csv", "inbox/{{ run_id }}/data.bin"],
        deferrable=True,
        poke_interval=5,
        timeout=timedelta(hours=6).total_seconds(),
    )

    @task
    def check(found: list[dict]) -> int:
        return sum(info["size"] for info in found)

    [summary, data] >> hand_over() >> arrived
    check(arrived.output)
