"""The Test button, ``airflow connections test`` and the doctor say in one sentence what is wrong, and the same one."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from aksk_provider.emulator import Emulator
from aksk_provider.emulator.faults import Fault, Skew, Status
from aksk_provider.hooks.object_storage import ObjectStorageHook
from tests.support.airflow_versions import AIRFLOW
from tests.support.clouds import Cloud
from tests.support.forked import Running

Put = Callable[..., str]
# Airflow 3.3 warns of itself when the command line looks connection types up
pytestmark = pytest.mark.filterwarnings("ignore:ProvidersManager.hooks is deprecated")
HOSTS = {"bos": "bj.bcebos.com", "oss": "oss-cn-hangzhou.aliyuncs.com", "cos": "cos.ap-guangzhou.myqcloud.com"}
OTHERS = {"bos": "gz", "oss": "cn-beijing", "cos": "ap-beijing"}
SECRETS = ("wrong-secret", "wrong-token")
#: what is wrong: the fields of the connection that differ, the fault of the store, what is said of it
WRONG: dict[str, tuple[dict[str, Any], list[Fault], str]] = {
    "key": ({"login": "NOBODY"}, [], r"refuses? .*access key NOBODY|access key NOBODY, and .* refuses"),
    "secret": ({"password": "wrong-secret"}, [], "(?i)the secret key is not that of access key AK"),
    "token": ({"extra": {"security_token": "wrong-token"}}, [], "A token was sent with access key AK"),
    "bucket": ({"schema": "missing-1250000000"}, [], "^There is no bucket missing-1250000000 at "),
    "right": ({}, [Fault(Status(403))], "^The key pair has no right on bucket .*neither listing it nor reading"),
    "host": ({"host": "https://no-such-host.invalid"}, [], "^The host name no-such-host.invalid has no address"),
    "port": ({"host": "http://127.0.0.1:1"}, [], r"^127.0.0.1:1 does not answer \(Connection refused\)"),
}


@pytest.fixture(params=WRONG)
def wrong(request: pytest.FixtureRequest, cloud: Cloud, in_environment: Put, emulator: Emulator) -> Iterator[str]:
    """A connection with which something is wrong; returns what is to be said of it."""
    fields, faults, told = WRONG[request.param]
    in_environment(cloud, "wrong", **{name: dict(v) if isinstance(v, dict) else v for name, v in fields.items()})
    for fault in faults:
        emulator.faults.add(fault)
    yield told
    emulator.faults.clear()


def said(conn_id: str = "wrong") -> tuple[bool, str]:
    """Return what the Test button shows."""
    accepted, message = ObjectStorageHook(conn_id).test_connection()
    assert [secret for secret in SECRETS if secret in message] == []
    assert "\n" not in message
    return accepted, message


def without_ids(text: str) -> str:
    return re.sub(r"request id \w+", "request id", " ".join(text.split()))


def test_the_button_says_what_is_wrong(wrong: str) -> None:
    accepted, message = said()
    assert not accepted
    assert re.search(wrong, message), message


def test_the_command_and_the_doctor_say_the_same(
    wrong: str, run_cli: Callable[..., str], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    _, message = said()
    printed, old = "", AIRFLOW < (3, 2)  # which has no exit code for it
    with contextlib.nullcontext() if old else pytest.raises(SystemExit):
        printed = run_cli("connections", "test", "wrong")
    assert without_ids(message) in without_ids(printed + capsys.readouterr().out)
    done = Running(("doctor", "wrong"), tmp_path, {"AIRFLOW_CONN_WRONG": os.environ["AIRFLOW_CONN_WRONG"]}).wait()
    assert done.returncode == 1
    assert f"=> {without_ids(message)}" in without_ids(done.stdout.decode())


def test_a_region_that_is_not_the_hosts(cloud: Cloud, in_environment: Put, emulator: Emulator) -> None:
    extra = {"region": OTHERS[cloud.vendor], "proxies": {"http": emulator.endpoint}}
    in_environment(cloud, "wrong", host=f"http://{HOSTS[cloud.vendor]}", extra=extra)
    accepted, message = said()
    assert not accepted
    assert message.startswith(f"The region that was signed, {OTHERS[cloud.vendor]}, is not that of the host")


def test_tls_with_a_port_that_speaks_none(cloud: Cloud, in_environment: Put, emulator: Emulator) -> None:
    in_environment(cloud, "wrong", host=f"https://127.0.0.1:{emulator.port}")
    accepted, message = said()
    assert not accepted
    assert message.startswith("TLS with 127.0.0.1 fails")
    assert message.endswith("write http:// in host")


@pytest.mark.parametrize("seconds", [3600, -3600])
def test_a_wrong_clock_is_told_and_does_not_fail(
    cloud: Cloud, in_environment: Put, emulator: Emulator, seconds: int
) -> None:
    in_environment(cloud, "wrong")
    emulator.faults.add(Fault(Skew(seconds)))
    try:
        accepted, message = said()
    finally:
        emulator.faults.clear()
    assert accepted, "what is signed is corrected by the store's clock"
    assert re.search(r"This machine's clock is (3599|3600|3601) s (behind|ahead of) the store's", message)


def test_a_connection_that_works_is_told_what_was_tried(cloud: Cloud, in_environment: Put, emulator: Emulator) -> None:
    in_environment(cloud, "works")
    assert said("works") == (
        True,
        f"{TITLES[cloud.vendor]} accepts the key pair, and bucket {cloud.bucket} can be listed",
    )
    emulator.faults.add(Fault(Status(403), operation="list_buckets"))
    in_environment(cloud, "works", schema=None)
    try:
        accepted, message = said("works")
    finally:
        emulator.faults.clear()
    assert accepted
    assert "may not list buckets" in message


def test_a_field_that_is_wrong_is_named_without_the_name_the_button_makes_up(oss: Cloud, in_environment: Put) -> None:
    in_environment(oss, "R4nd0mName", extra={"vendor": "s3"})
    assert said("R4nd0mName")[1].startswith("extra vendor must be one of bos, oss, cos, not 's3'")


TITLES = {"bos": "Baidu BOS", "oss": "Alibaba OSS", "cos": "Tencent COS"}
ELSEWHERE = b"""<?xml version="1.0" encoding="UTF-8"?><Error><Code>AccessDenied</Code>
<Message>The bucket you are attempting to access must be addressed using the specified endpoint.</Message>
<RequestId>5C3D9175B6FC201293AD4890</RequestId><Endpoint>oss-cn-beijing.aliyuncs.com</Endpoint></Error>"""


@pytest.fixture
def elsewhere() -> Iterator[str]:
    """A store that answers as OSS does for buckets of another region."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(403)
            self.send_header("Content-Length", str(len(ELSEWHERE)))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(ELSEWHERE)

        do_HEAD = do_GET  # noqa: N815 - the library's name

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_bucket_of_another_region_is_not_a_missing_right(oss: Cloud, in_environment: Put, elsewhere: str) -> None:
    in_environment(oss, "wrong", host=elsewhere)
    accepted, message = said()
    assert not accepted
    assert message.startswith("The store names another endpoint, oss-cn-beijing.aliyuncs.com: set it as the host")
