"""The demo as people run it: it succeeds, it fails loudly, and it leaves nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.demo.__main__ import CLOUDS, checksums_agree
from tests.demo.table import masked, table
from tests.support.processes import REPOSITORY

WRONG = """
import sys
import tests.demo.__main__ as demo
from aksk_provider.emulator import Account

title, vendor, region, account = demo.CLOUDS["aksk_oss"]
wrong = Account(account.access_key, "not-the-secret-key")
demo.CLOUDS = {"aksk_oss": (title, vendor, region, wrong)}
sys.argv = ["demo"]
sys.exit(demo.main())
"""


def start(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, *arguments],
        cwd=REPOSITORY,
        env={**os.environ, "TMPDIR": str(folder)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_demo_runs_the_tour_for_every_cloud_and_cleans_up(tmp_path: Path) -> None:
    process = start(tmp_path, "-m", "tests.demo")
    printed, _ = process.communicate()
    assert process.returncode == 0, printed
    assert "3 of 3 clouds" in printed
    assert [title for title, *_ in CLOUDS.values() if title not in printed] == []
    assert "signature=***" in printed
    for _, _, _, account in CLOUDS.values():
        assert account.secret_key not in printed
        assert not account.token or account.token not in printed
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_the_demo_fails_and_says_why_when_a_task_fails(tmp_path: Path) -> None:
    process = start(tmp_path, "-c", WRONG)
    printed, _ = process.communicate()
    assert process.returncode == 1
    assert "0 of 1 clouds" in printed
    assert "SignatureDoesNotMatch" in printed
    assert "not-the-secret-key" not in printed
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "sign", "code"),
    [([], signal.SIGINT, 130), ([], signal.SIGTERM, 143), (["--serve", "--port", "0"], signal.SIGINT, 0)],
    ids=["tour by Ctrl-C", "tour by SIGTERM", "UI by Ctrl-C"],
)
def test_an_interrupted_demo_stops_what_it_started(
    arguments: list[str], sign: signal.Signals, code: int, tmp_path: Path
) -> None:
    process = start(tmp_path, "-m", "tests.demo", *arguments)
    assert process.stdout
    while not process.stdout.readline().startswith(("Running", "Airflow is at")):
        assert process.poll() is None
    parent = psutil.Process(process.pid)
    while not (children := parent.children(recursive=True)):
        time.sleep(0.1)
    time.sleep(0.5)
    process.send_signal(sign)
    process.send_signal(sign)
    process.communicate(timeout=60)
    assert process.returncode == code
    assert psutil.wait_procs(children, timeout=5)[1] == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "secret",
    [
        "authorization=bce-auth-v1%2Fak%2F2026",
        "x-bce-security-token=abc",
        "x-oss-signature=0a1b",
        "x-oss-credential=ak%2F20261121%2Fcn-hangzhou",
        "x-oss-security-token=abc",
        "q-signature=0a1b",
        "x-cos-security-token=abc",
    ],
)
def test_signatures_and_tokens_are_masked(secret: str) -> None:
    name, _, value = secret.partition("=")
    for url in (f"http://host/key?{secret}&other=1", f"http://host/key?other=1&{secret}"):
        assert value not in masked(url)
        assert f"{name}=***" in masked(url)
        assert "other=1" in masked(url)


def run(**changes: Any) -> dict[str, Any]:
    tasks = [
        {"task_id": "compare", "map_index": -1, "state": "success", "xcom": ["abc"]},
        {"task_id": "fetch", "map_index": -1, "state": "success", "xcom": "abc"},
        {"task_id": "many", "map_index": 0, "state": "success", "xcom": {"uri": "oss://b/a", "crc64": None}},
        {"task_id": "many", "map_index": 1, "state": "success", "xcom": {"uri": "oss://b/b", "crc64": None}},
        {"task_id": "many", "map_index": 2, "state": "failed", "xcom": None},
    ]
    return {"run_id": "manual__1", "tasks": [{**task, **changes.get(task["task_id"], {})} for task in tasks]}


def test_the_checksums_agree_only_when_the_link_gave_what_was_sent() -> None:
    assert checksums_agree(run()) is True
    assert checksums_agree(run(fetch={"xcom": "other"})) is False
    assert checksums_agree(run(compare={"xcom": None})) is False


def test_the_table_shows_every_failure_and_one_of_what_is_alike() -> None:
    shown = table(run(), Path("/home")).splitlines()
    assert [line.split()[:2] for line in shown] == [
        ["ok", "compare"],
        ["ok", "fetch"],
        ["ok", "many[0]"],
        ["...", "and"],
        ["failed", "many[2]"],
    ]
    assert "crc64" not in "\n".join(shown)
