"""What the doctor says of a connection: one sentence for each thing that can be wrong, brought about for real."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from aksk_provider.emulator import Account, Emulator
from aksk_provider.emulator.faults import Fault, Skew, Status
from aksk_provider.signing import Credentials
from aksk_provider.storage import ObjectStore
from aksk_provider.storage.doctor import Report, examine_store
from tests.storage.doctor.conftest import BUCKETS, HOSTS, PERMANENT, TEMPORARY, MakeStore, assert_no_secret
from tests.support.certificates import make_certificate
from tests.support.listening import listening


def examine(store: ObjectStore) -> Report:
    report = examine_store(store, "connection c", datetime.now(timezone.utc))
    assert_no_secret(str(report))
    assert_no_secret(str(report.as_dict()))
    return report


@pytest.mark.parametrize("keys", ["permanent", "temporary"])
def test_a_connection_that_works_has_nothing_against_it(make_store: MakeStore, vendor: str, keys: str) -> None:
    account = (PERMANENT if keys == "permanent" else TEMPORARY)[vendor]
    report = examine(make_store(vendor, account))
    assert [finding for finding in report.findings if finding.level != "ok"] == []
    assert report.summary == "Nothing is wrong"
    told = str(report)
    assert f"Access key {account.access_key}, " in told
    assert ("with a token" in told) == (keys == "temporary")
    assert f"bucket {BUCKETS[vendor]} can be listed" in told
    assert "clock agrees" in told


def test_a_wrong_secret(make_store: MakeStore, vendor: str) -> None:
    summary = examine(make_store(vendor, replace(PERMANENT[vendor], secret_key="wrong-secret"))).summary
    assert "secret key is not that of access key" in summary


def test_a_wrong_key(make_store: MakeStore, vendor: str) -> None:
    assert "refuses access key NOBODY" in examine(make_store(vendor, Account("NOBODY", "wrong-secret"))).summary


def test_a_wrong_and_a_missing_token(make_store: MakeStore, vendor: str) -> None:
    wrong = examine(make_store(vendor, replace(TEMPORARY[vendor], token="wrong-token")))
    assert "refuses one of them" in wrong.summary
    assert "token" in examine(make_store(vendor, replace(TEMPORARY[vendor], token=None))).summary


def test_dead_and_living_temporary_credentials(make_store: MakeStore) -> None:
    account, now = TEMPORARY["oss"], datetime.now(timezone.utc)
    for end, told in ((now - timedelta(hours=1), "died 1 h"), (now + timedelta(hours=1), "live 59 min")):
        credentials = Credentials(account.access_key, account.secret_key, account.token, end)
        report = examine(make_store("oss", credentials=lambda credentials=credentials: credentials))
        assert told in str(report)
        assert report.ok == (end > now)


def test_no_such_bucket(make_store: MakeStore, vendor: str) -> None:
    bucket = "missing-1250000000" if vendor == "cos" else "missing"
    assert examine(make_store(vendor, bucket=bucket)).summary.startswith(f"There is no bucket {bucket} at ")


def test_a_wrong_region(make_store: MakeStore, clinic: Emulator) -> None:
    """Read from the host before anything is sent; COS and BOS answer that there is no such bucket."""
    proxies = {"http": clinic.endpoint}
    store = make_store("oss", endpoint=f"http://{HOSTS['oss']}", region="cn-beijing", proxies=proxies)
    assert "cn-beijing, is not that of the host, cn-hangzhou" in examine(store).summary


def test_no_right_to_list_is_not_a_wrong_key(make_store: MakeStore, vendor: str, clinic: Emulator) -> None:
    clinic.faults.add(Fault(Status(403), operation="list"))
    report = examine(make_store(vendor))
    assert report.ok
    assert "may read objects of the bucket, but not list them" in report.summary


def test_no_right_at_all(make_store: MakeStore, vendor: str, clinic: Emulator) -> None:
    clinic.faults.add(Fault(Status(403)))
    report = examine(make_store(vendor))
    assert not report.ok
    assert "AccessDenied" in report.summary


def test_it_works_without_a_bucket_and_without_the_right_to_list_them(
    make_store: MakeStore, vendor: str, clinic: Emulator
) -> None:
    clinic.faults.add(Fault(Status(403), operation="list_buckets"))
    report = examine(make_store(vendor, bucket=None))
    assert report.ok
    assert "may not list buckets" in str(report)


@pytest.mark.parametrize("seconds", [3600, -3600])
def test_a_wrong_clock_is_told_in_seconds(make_store: MakeStore, vendor: str, clinic: Emulator, seconds: int) -> None:
    clinic.faults.add(Fault(Skew(seconds)))
    report = examine(make_store(vendor))
    behind = "behind" if seconds > 0 else "ahead of"
    assert report.ok
    assert any(f"clock is {at} s {behind} the store's" in report.summary for at in (3599, 3600, 3601))


def test_an_unreachable_port(make_store: MakeStore, vendor: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, not listening
        summary = examine(make_store(vendor, endpoint=f"http://127.0.0.1:{taken.getsockname()[1]}")).summary
    assert "does not answer (Connection refused)" in summary


def test_a_host_without_an_address(make_store: MakeStore) -> None:
    summary = examine(make_store("oss", endpoint="https://no-such-host.invalid")).summary
    assert summary.startswith("The host name no-such-host.invalid has no address")


def test_a_proxy_that_is_not_there(make_store: MakeStore) -> None:
    store = make_store(
        "oss", endpoint=f"http://{HOSTS['oss']}", proxies={"http": "http://user:wrong-secret@127.0.0.1:1"}
    )
    assert examine(store).summary.startswith("The proxy 127.0.0.1:1 does not answer")


def test_tls_with_a_port_that_speaks_plain_http(make_store: MakeStore, vendor: str, clinic: Emulator) -> None:
    store = make_store(vendor, endpoint=f"https://127.0.0.1:{clinic.port}")
    assert "The port speaks plain HTTP: write http:// in host" in examine(store).summary


@pytest.fixture
def self_signed(tmp_path: Path) -> Iterator[int]:
    """The port of a TLS server whose certificate nobody trusts."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(make_certificate(tmp_path))
    with listening(lambda connection: context.wrap_socket(connection, server_side=True).close()) as port:
        yield port


def test_a_certificate_that_is_not_trusted(make_store: MakeStore, self_signed: int) -> None:
    summary = examine(make_store("oss", endpoint=f"https://127.0.0.1:{self_signed}")).summary
    assert summary.startswith("The TLS certificate of 127.0.0.1 is not trusted (self")
    assert "CA bundle" in summary
