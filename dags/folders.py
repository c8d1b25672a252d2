"""Send a folder, fetch it again somewhere else, and clean up what interrupted uploads left."""

from __future__ import annotations

import tempfile
from datetime import timedelta
from pathlib import Path

from airflow.sdk import DAG, task

from aksk_provider.operators import (
    AbortIncompleteUploadsOperator,
    DownloadObjectOperator,
    UploadObjectOperator,
)

with DAG("folders", schedule=None, default_args={"aksk_conn_id": "aksk_default"}):

    @task
    def make_folder() -> str:
        folder = Path(tempfile.mkdtemp(prefix="folders-"))
        for month in ("2026-01", "2026-02"):
            (folder / month).mkdir()
            for name in ("orders.csv", "refunds.csv"):
                (folder / month / name).write_text(f"{month} {name}\n")
        return str(folder)

    @task
    def compare(sent: str, received: dict) -> int:
        for file in received["files"]:
            name = Path(file["path"]).relative_to(f"{sent}-copy")
            if Path(file["path"]).read_bytes() != Path(sent, name).read_bytes():
                raise ValueError(f"{name} differs")
        return received["count"]

    folder = make_folder()
    # One task moves all files, eight at once; `workers` changes that. A file that fails does not stop the others.
    up = UploadObjectOperator(task_id="up", source=folder, key="folders/{{ run_id }}/")
    # What is there already with the same size and checksum is left out, so a second try has little to do.
    again = UploadObjectOperator(task_id="again", source=folder, key="folders/{{ run_id }}/", skip_equal=True)
    down = DownloadObjectOperator(
        task_id="down",
        key="folders/{{ run_id }}/",
        target="{{ ti.xcom_pull('make_folder') }}-copy",
        deadline=timedelta(minutes=10),
    )
    clean = AbortIncompleteUploadsOperator(task_id="clean", prefix="folders/", older_than=timedelta(days=2))
    up >> again >> down >> clean
    compare(folder, down.output)
