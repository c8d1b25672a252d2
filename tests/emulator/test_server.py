"""The emulator starts, stops, remembers and is started from the command line."""

from __future__ import annotations

import argparse
import re
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import requests

from aksk_provider.emulator import Account, Bucket, Emulator
from aksk_provider.emulator.__main__ import account, bucket, domain, parser, versioned_bucket
from aksk_provider.signing import Credentials
from tests.emulator.asking import BUCKETS, Asker

CREDENTIALS = Credentials("AK", "SK")
ACCOUNTS = [Account("AK", "SK")]


def emulator(**options: object) -> Emulator:
    buckets = [Bucket(vendor, name) for vendor, name in BUCKETS.items()]
    return Emulator(accounts=ACCOUNTS, buckets=buckets, **options)  # type: ignore[arg-type]


def test_it_listens_at_a_free_port_until_it_stops() -> None:
    before = set(threading.enumerate())
    with emulator() as running:
        assert running.endpoint == f"http://127.0.0.1:{running.port}"
        Asker(running, "oss", CREDENTIALS).put("x")
        assert set(threading.enumerate()) > before
    assert set(threading.enumerate()) <= before
    with pytest.raises(requests.ConnectionError):
        requests.get(running.endpoint, timeout=5)


def test_without_a_data_directory_nothing_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with emulator() as running:
        Asker(running, "bos", CREDENTIALS).put("x")
        assert list(tmp_path.iterdir())
    assert not list(tmp_path.iterdir())


def test_with_a_data_directory_objects_stay(tmp_path: Path) -> None:
    with emulator(data_dir=tmp_path / "new") as running:
        Asker(running, "cos", CREDENTIALS).put("x", b"kept", {"x-cos-meta-a": "1"})
    (tmp_path / "new" / "incoming" / "left-by-a-crash").write_bytes(b"x")
    with emulator(data_dir=tmp_path / "new") as running:
        answer = Asker(running, "cos", CREDENTIALS).ask("GET", "x")
        assert (answer.content, answer.headers["x-cos-meta-a"]) == (b"kept", "1")
    assert not list((tmp_path / "new" / "incoming").iterdir())


def test_bodies_that_nothing_refers_to_are_removed(tmp_path: Path) -> None:
    with emulator(data_dir=tmp_path) as running:
        asker = Asker(running, "oss", CREDENTIALS)
        for body in (b"1", b"2", b"3"):
            asker.put("x", body)
        asker.ask("PUT", "x", headers={"Content-MD5": "1B2M2Y8AsgTpgAmY7PhCfg=="}, body=b"refused")
        assert len([path for path in (tmp_path / "bodies").rglob("*") if path.is_file()]) == 1
        asker.ask("DELETE", "x")
        assert not [path for path in (tmp_path / "bodies").rglob("*") if path.is_file()]


def test_a_port_in_use_is_an_error_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(OSError, match="in use"):
        emulator(port=taken.getsockname()[1]).start()
    assert not list(tmp_path.iterdir())


def test_it_can_be_stopped_twice_and_started_again() -> None:
    running = emulator()
    for _ in range(2):
        with running:
            assert Asker(running, "oss", CREDENTIALS).put("x").status_code == 200
        running.stop()


def test_requests_are_served_side_by_side() -> None:
    with emulator() as running:
        failures: list[str] = []

        def work(number: int) -> None:
            asker = Asker(running, ("bos", "oss", "cos")[number % 3], CREDENTIALS)
            for i in range(10):
                body = f"{number}-{i}".encode() * 1000
                asker.put(f"{number}/{i}", body)
                if asker.ask("GET", f"{number}/{i}").content != body:
                    failures.append(f"{number}/{i}")

        threads = [threading.Thread(target=work, args=(number,)) for number in range(9)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert not failures


def test_the_bucket_of_a_domain_is_served() -> None:
    with Emulator(accounts=ACCOUNTS, buckets=[], domains={"Files.example.com": Bucket("oss", "of-domain")}) as running:
        assert Asker(running, "oss", CREDENTIALS, bucket="of-domain").put("x").status_code == 200


def test_secrets_are_in_no_representation() -> None:
    shown = repr(Account("AK", "SECRET", token="TOKEN"))
    assert "AK" in shown
    assert not re.search("SECRET|TOKEN", shown)


def test_the_command_line_is_read() -> None:
    assert account("ak:sk") == Account("ak", "sk")
    assert account("ak:sk:a:b") == Account("ak", "sk", "a:b")
    assert bucket("bos/name") == Bucket("bos", "name")
    assert versioned_bucket("oss/name") == Bucket("oss", "name", versioned=True)
    assert domain("files.example.com=cos/name-1250000000") == ("files.example.com", Bucket("cos", "name-1250000000"))
    for read, wrong in ((account, "ak"), (account, ":sk"), (bucket, "s3/name"), (bucket, "bos")):
        with pytest.raises(argparse.ArgumentTypeError):
            read(wrong)
    assert parser().parse_args([]).port == 9000


def test_the_command_serves_and_says_what(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "aksk_provider.emulator", "--port", "0", "--data-dir", str(tmp_path)]
    command += ["--account", "AK:SK", "--bucket", f"bos/{BUCKETS['bos']}", "--versioned-bucket", "oss/versions"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout is not None
        found = re.fullmatch(r"Serving (http://127\.0\.0\.1:\d+)\n", process.stdout.readline())
        assert found
        with emulator() as other:
            asker = Asker(other, "bos", CREDENTIALS)
            request = asker.request("PUT", "x")
            url = request.url.replace(other.endpoint, found[1])
            # Signed for the other one's host and port: what is served is verified.
            assert requests.put(url, headers={**request.headers}, data=b"x", timeout=10).status_code == 200
            assert requests.put(url, headers={"Host": "h"}, data=b"x", timeout=10).status_code == 403
        process.terminate()
        rest = process.stdout.read()
    assert "bos://examplebucket oss://versions" in rest
    assert "SK" not in rest
    assert "Traceback" not in rest
    assert process.returncode in (0, -15)
