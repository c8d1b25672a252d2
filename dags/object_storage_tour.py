"""The whole tour over one connection: upload, wait, presign, fetch the link, download, compare checksums."""

import hashlib
import os
import tempfile
from pathlib import Path

import requests
from airflow.sdk import DAG, task

from aksk_provider.operators import DownloadObjectOperator, PresignURLOperator, UploadObjectOperator
from aksk_provider.sensors import ObjectKeySensor

with DAG(
    "object_storage_tour",
    schedule=None,
    params={"conn_id": "aksk_default", "mebibytes": 64},
    default_args={"aksk_conn_id": "{{ params.conn_id }}"},
):

    @task
    def make_large_file(params: dict) -> str:
        path = Path(tempfile.mkdtemp(prefix="tour-"), "large.bin")
        path.write_bytes(os.urandom(params["mebibytes"] * 1024**2))
        return str(path)

    @task
    def make_small_files() -> list[str]:
        paths = [Path(tempfile.mkdtemp(prefix="tour-"), f"small {number}.txt") for number in range(1, 6)]
        return [str(path) for path in paths if path.write_text(f"I am {path.name}\n")]

    @task
    def fetch(ti) -> str:
        link = ti.xcom_pull("link")  # a link is a secret: as an argument it would show among the rendered templates
        answer = requests.request(link["method"], link["url"], headers=link["signed_headers"], timeout=60)
        return hashlib.sha256(answer.content).hexdigest()

    @task
    def compare(large: str, small: list[str], downloads: list[dict], fetched: str) -> list[str]:
        files = [[large, *small], [download["path"] for download in downloads]]
        sent, received = ([hashlib.sha256(Path(path).read_bytes()).hexdigest() for path in paths] for paths in files)
        if sent != received or sent[0] != fetched:
            raise ValueError(f"checksums differ: sent {sent}, received {received}, fetched {fetched}")
        return sent

    large, small, key = make_large_file(), make_small_files(), "tour/{{ run_id }}/large.bin"
    upload = UploadObjectOperator(task_id="upload", source=large, key=key)
    upload_small = UploadObjectOperator.partial(
        task_id="upload_small", key="tour/{{ run_id }}/{{ task.source.rpartition('/')[2] }}"
    ).expand(source=small)
    wait = ObjectKeySensor(task_id="wait", key=[key, "tour/{{ run_id }}/small *"], poke_interval=2, timeout=60)
    link = PresignURLOperator(task_id="link", key=key, expires_in=600)
    download = DownloadObjectOperator.partial(
        task_id="download", target="{{ ti.xcom_pull('make_large_file') }}.{{ ti.map_index }}"
    ).expand(key=wait.output.map(lambda found: found["uri"]))
    fetched = fetch()
    [upload, upload_small] >> wait >> link >> [download, fetched]
    compare(large, small, download.output, fetched)
