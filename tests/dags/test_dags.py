"""Every DAG of ``dags/`` runs, for each cloud, as it is."""

from __future__ import annotations

import ast
import html
import re
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support import dag_runs
from tests.support.clouds import Cloud
from tests.support.processes import REPOSITORY

FILES = sorted((REPOSITORY / "dags").glob("*.py"))
Save = Callable[..., str]


@pytest.fixture(autouse=True)
def connection(cloud: Cloud, in_database: Save, scratch: Path) -> None:
    in_database(cloud)


@pytest.fixture
def incoming(cloud: Cloud) -> Iterator[str]:
    """A prefix with two files below it."""
    prefix = f"incoming-{cloud.vendor}/"
    with cloud.store() as store:
        store.put(f"{prefix}b.csv", b"4\n5\n")
        store.put(f"{prefix}a 1+1.csv", b"1\n2\n3\n")
        yield prefix
        store.delete_many([info.key for info in store.list(prefix)])


def run(name: str, **conf: object) -> dag_runs.RunResult:
    (dag,) = dag_runs.load(REPOSITORY / "dags" / f"{name}.py").values()
    result = dag_runs.run(dag, conf)
    assert result.state == "success", result.errors or result.states()
    return result


def test_the_tour_ends_with_equal_checksums() -> None:
    result = run("object_storage_tour", mebibytes=3)
    assert set(result.states().values()) == {"success"}
    assert len(result.xcom("compare")) == 6
    assert result.xcom("compare")[0] == result.xcom("fetch")
    assert [task.xcom["size"] for task in result.tasks if task.task_id == "download"] == [3 * 1024**2] + [17] * 5


def test_upload_and_wait_finds_the_report_and_the_marker(cloud: Cloud) -> None:
    result = run("upload_and_wait")
    uploaded = result.xcom("upload")
    found = result.xcom("wait")
    assert uploaded["uri"] in [info["uri"] for info in found]
    assert result.xcom("marker")["uri"] in [info["uri"] for info in found]
    with cloud.store() as store:
        assert store.head(uploaded["uri"]).metadata == {"run": result.run_id}
        store.delete_many([info["uri"] for info in found])


def test_download_mapped_writes_every_object_below_the_prefix(incoming: str, tmp_path: Path) -> None:
    result = run("download_mapped", prefix=incoming, folder=str(tmp_path / "target"))
    files = {path.name: path.read_bytes() for path in (tmp_path / "target").iterdir()}
    assert files == {"a 1+1.csv": b"1\n2\n3\n", "b.csv": b"4\n5\n"}
    assert result.xcom("total") == 10


def test_presigned_links_take_a_file_in_and_give_it_out_with_a_name() -> None:
    result = run("presigned_links")
    assert result.xcom("put_link")["signed_headers"]["Content-Type"] == "text/csv"
    assert result.xcom("fetch") == {"saved_as": 'attachment; filename="report.csv"', "content": "a,b\n1,2\n"}


def test_links_as_recipes_are_used_by_operators_templates_and_python() -> None:
    result = run("links_as_recipes")
    assert result.xcom("put_link")["aksk_recipe"] == result.xcom("get_link")["aksk_recipe"] == 1
    assert result.xcom("download")["size"] == result.xcom("upload")["size"] == 29
    assert Path(result.xcom("download")["path"]).read_text() == "city,people\nBeijing,21893095\n"
    assert result.xcom("by_curl") == "2"
    assert result.xcom("in_python").startswith("GET, good until")


def test_taskflow_hook_publishes_and_cleans_up(cloud: Cloud) -> None:
    result = run("taskflow_hook")
    assert result.xcom("transform") == {"Beijing": 3, "Shanghai": 4}
    assert result.xcom("publish")["size"] == 29
    with cloud.store() as store:
        assert store.exists(result.xcom("publish")["uri"])
        assert [info.key for prefix in ("raw/", "clean/") for info in store.list(prefix)] == []


def test_deferrable_sensor_hands_on_what_it_found(incoming: str) -> None:
    result = run("deferrable_sensor", key=f"{incoming}*.csv")
    assert result.xcom("count_lines") == {f"{incoming}a 1+1.csv": 3, f"{incoming}b.csv": 2}


def test_waiting_for_exports_ends_when_all_is_there(incoming: str, cloud: Cloud) -> None:
    with cloud.store() as store:
        for name, body in {"part-1.csv": b"1\n", "part-22.csv": b"22\n", "_SUCCESS": b""}.items():
            store.put(incoming + name, body)
    result = run("waiting_for_exports", prefix=incoming)
    assert result.xcom("report") == {"bytes": 15, "parts": [f"{incoming}part-1.csv", f"{incoming}part-22.csv"]}


def test_on_new_object_publishes_what_it_counted(cloud: Cloud) -> None:
    """Started by hand here, with no event; tests/triggers starts one like it by its events."""
    result = run("on_new_object")
    assert result.xcom("publish")["size"] == 0
    with cloud.store() as store:
        store.delete(result.xcom("publish")["uri"])


def test_folders_come_back_as_they_went(cloud: Cloud) -> None:
    result = run("folders")
    assert result.xcom("compare") == 4
    assert (result.xcom("up")["count"], result.xcom("up")["skipped"]) == (4, 0)
    assert result.xcom("again")["skipped"] == 4
    assert [file["status"] for file in result.xcom("down")["files"]] == ["done"] * 4
    assert result.xcom("clean") == {"count": 0, "uris": []}


def test_presign_manifest_hands_out_a_link_to_each_object(cloud: Cloud, incoming: str) -> None:
    result = run("presign_manifest", prefix=incoming, target=cloud.uri("links of today.jsonl"))
    manifest = result.xcom("links")
    assert (manifest["manifest"], manifest["count"]) == (cloud.uri("links of today.jsonl"), 2)
    assert manifest["expires_at"] == result.xcom("link_to_links")["expires_at"]
    assert result.xcom("count_bytes") == 10
    with cloud.store() as store:
        store.delete(manifest["manifest"])


class Partner(threading.Thread):
    """Somebody who has nothing but what is put into the outbox, and curl."""

    def __init__(self, outbox: Path, data: bytes) -> None:
        super().__init__()
        self.outbox, self.data = outbox, data
        self.said: list[str] = []

    def run(self) -> None:
        deadline = time.monotonic() + 120
        while not (self.outbox / "data.sh").exists() and time.monotonic() < deadline:
            time.sleep(0.2)
        (self.outbox / "data.bin").write_bytes(self.data)
        (self.outbox / "summary.csv").write_text("rows\n2\n")
        page = (self.outbox / "summary.html").read_text()
        fields = re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)">', page)
        url = html.unescape(re.findall(r'<form action="([^"]*)"', page)[0])
        form = [word for name, value in fields for word in ("--form-string", f"{name}={html.unescape(value)}")]
        self.curl("curl", "--fail-with-body", *form, "--form", "file=@summary.csv", url)
        self.curl("sh", "data.sh", "data.bin")

    def curl(self, *words: str) -> None:
        done = subprocess.run(words, cwd=self.outbox, capture_output=True, text=True, timeout=60, check=False)
        self.said.append(done.stderr if done.returncode else "")


def test_a_partner_delivers_with_tickets_while_the_sensor_waits(cloud: Cloud, tmp_path: Path) -> None:
    partner = Partner(tmp_path / "outbox", b"0123456789" * 300)
    partner.start()
    result = run("upload_ticket", outbox=str(tmp_path / "outbox"), size=3000)
    partner.join()
    assert partner.said == ["", ""]
    assert result.xcom("check") == 3000 + len("rows\n2\n")
    assert (result.xcom("summary")["kind"], result.xcom("data")["kind"]) == ("form", "multipart")
    with cloud.store() as store:
        assert store.head(result.xcom("summary")["uri"]).content_type == "text/csv"
        store.delete_many([info["uri"] for info in result.xcom("arrived")])


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_page_is_short_says_what_it_does_and_is_tested_here(path: Path) -> None:
    source = path.read_text()
    assert len(source.splitlines()) < 60
    assert ast.get_docstring(ast.parse(source))
    assert f'run("{path.stem}"' in Path(__file__).read_text()
