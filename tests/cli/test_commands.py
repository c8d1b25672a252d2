"""The command line as people run it: a process of its own, against the emulator, for the three vendors."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
import requests

from aksk_provider.emulator import Account, Bucket, Emulator
from aksk_provider.emulator.faults import Fault, Slow
from aksk_provider.storage.parts import open_uploads
from tests.support import airflow_home, leaks
from tests.support.clouds import VENDORS, Cloud
from tests.support.forked import Done, Running
from tests.support.processes import REPOSITORY

ACCOUNTS = [Account("cli-ak", "cli-secret-key"), Account("cli-tmp-ak", "cli-tmp-secret", token="cli-token/+=")]
BUCKETS = {"bos": "shell", "oss": "shell-oss", "cos": "shell-1250000000"}
MIB = 1024**2
Run = Callable[..., Done]


@pytest.fixture(scope="module")
def shop() -> Iterator[Emulator]:
    buckets = [Bucket(vendor, name) for vendor, name in BUCKETS.items()]
    with Emulator(accounts=ACCOUNTS, buckets=buckets) as running:
        yield running


@pytest.fixture(params=VENDORS)
def cloud(request: pytest.FixtureRequest, shop: Emulator) -> Cloud:
    """Each cloud; Tencent's with a temporary pair and its token."""
    return Cloud(request.param, shop, temporary=request.param == "cos")


@pytest.fixture
def environment(cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The cloud's connection, and a folder to work in."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return {"AIRFLOW_CONN_AKSK_DEFAULT": cloud.json()}


@pytest.fixture
def run(cloud: Cloud, environment: dict[str, str], tmp_path: Path) -> Run:
    """Run a command with the cloud's connection in the environment; no secret is in what it says."""

    def command(*words: str, given: bytes = b"", **changes: object) -> Done:
        changed = {"AIRFLOW_CONN_AKSK_DEFAULT": cloud.json(**changes)}
        done = Running(words, tmp_path / "streams", {**environment, **changed}, given).wait()
        for secret in [*leaks.secrets(ACCOUNTS[0]), *leaks.secrets(ACCOUNTS[1]), "wrong-secret"]:
            assert secret.encode() not in done.stderr
            if words[:1] != ("presign",):  # a link holds the token
                assert secret.encode() not in done.stdout
        return done

    return command


@pytest.fixture
def shell(cloud: Cloud, tmp_path: Path) -> dict[str, str]:
    """The environment of a shell whose Airflow has no metadata database."""
    settings = airflow_home.settings(tmp_path / "airflow")
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
    folders = os.pathsep.join([str(REPOSITORY / "provider"), str(REPOSITORY)])
    return {**kept, **settings, "PYTHONPATH": folders, "AIRFLOW_CONN_AKSK_DEFAULT": cloud.json()}


def test_python_m_works_without_a_metadata_database(shell: dict[str, str], cloud: Cloud, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "aksk_provider", "doctor", "aksk_default"]
    done = subprocess.run(command, capture_output=True, text=True, env=shell, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1] == "=> Nothing is wrong"


def test_files_go_up_are_listed_and_come_down(run: Run, cloud: Cloud, tmp_path: Path) -> None:
    """A folder, a glob, a file and standard input; quiet but for what is asked for."""
    here = tmp_path / "here"
    (here / "source" / "sub").mkdir(parents=True)
    for name in ("a.txt", "b 中.txt", "sub/c.csv"):
        (here / "source" / name).write_text(name)

    up = run("upload", "source", "tree/")
    assert (up.returncode, up.stdout, up.stderr) == (0, b"", b"")
    up = run("upload", "source/*.txt", cloud.uri("glob/"), "--json")
    assert [Path(done["path"]).name for done in json.loads(up.stdout)] == ["a.txt", "b 中.txt"]
    assert run("upload", "-", "stdin", given=b"from a pipe").returncode == 0

    listed = run("ls", "--json", "-r", "tree/")
    assert [json.loads(line)["key"] for line in listed.stdout.splitlines()] == [
        "tree/a.txt", "tree/b 中.txt", "tree/sub/c.csv",
    ]  # fmt: skip
    listed = run("ls", "tree/")
    names = [line.rpartition("  ")[2].strip() for line in listed.stdout.decode().splitlines()]
    assert names == ["tree/sub/", "tree/a.txt", "tree/b 中.txt"]

    down = run("download", "tree/", "copy", "--json")
    assert {done["status"] for done in json.loads(down.stdout)} == {"done"}
    assert (here / "copy" / "sub" / "c.csv").read_text() == "sub/c.csv"
    assert run("download", "tree/*.txt", "some").returncode == 0
    assert sorted(path.name for path in (here / "some").iterdir()) == ["a.txt", "b 中.txt"]
    assert run("download", "stdin", "-").stdout == b"from a pipe"
    assert run("download", "tree/a.txt").returncode == 0
    assert (here / "a.txt").read_text() == "a.txt"

    planned = run("upload", "source", "tree/", "--dry-run", "--skip-equal")
    assert planned.stdout.decode().splitlines()[0].startswith("skipped: source/a.txt ")


def test_presign_prints_the_link_alone(run: Run, cloud: Cloud) -> None:
    made = run("presign", "a key", "--method", "put", "--expires-in", "1h", "--content-type", "text/csv")
    assert made.returncode == 0
    (url,) = made.stdout.decode().splitlines()
    assert b"required: send the header Content-Type: text/csv\n" in made.stderr
    assert b"warning: The link leads to this machine itself" in made.stderr
    assert b"http://" not in made.stderr
    assert requests.put(url, data=b"a,b", timeout=10).status_code in (400, 403)
    assert requests.put(url, data=b"a,b", headers={"Content-Type": "text/csv"}, timeout=10).status_code == 200
    fields = json.loads(run("presign", "a key", "--json").stdout)
    assert requests.get(fields["url"], timeout=10).content == b"a,b"
    assert set(fields) == {"method", "url", "expires_at", "signed_headers", "warnings"}


def test_doctor_reads_a_link_from_standard_input_and_checks_it(run: Run, cloud: Cloud) -> None:
    url = run("presign", "a key").stdout
    good = run("doctor", "-", "--conn-id", "aksk_default", "--method", "GET", given=url)
    assert (good.returncode, good.stderr) == (0, b"")
    assert b"gives the same signature, for GET" in good.stdout
    report = json.loads(
        run("doctor", "-", "--json", "--conn-id", "aksk_default", given=url.strip() + b"&versionId=1").stdout
    )
    assert report["ok"] is (cloud.vendor == "cos")  # which signs what is listed
    assert "ersion" in str(report["findings"])
    assert leaks.signature(url.decode().strip()) not in json.dumps(report)
    bad = run("doctor", "-", given=b"https://example.com/key")
    assert bad.returncode == 1
    assert b"the request is anonymous" in bad.stdout


@pytest.mark.parametrize("cloud", ["oss"], indirect=True)
def test_doctor_of_a_link_warns_of_the_history_and_needs_no_airflow(cloud: Cloud, shell: dict[str, str]) -> None:
    url = cloud.store().presign("a key").url
    code = "import sys; from aksk_provider.cli import main; main(sys.argv[1:]); print('airflow' in sys.modules)"
    command = [sys.executable, "-c", code, "doctor", url]
    done = subprocess.run(command, capture_output=True, text=True, env=shell, timeout=60)
    assert done.stdout.splitlines()[-1] == "False"
    assert "stays in the history of the shell" in done.stderr


def test_doctor_of_a_connection_says_what_is_wrong(run: Run) -> None:
    good = run("doctor", "aksk_default")
    assert (good.returncode, good.stdout.splitlines()[-1]) == (0, b"=> Nothing is wrong")
    bad = run("doctor", "aksk_default", password="wrong-secret")
    assert bad.returncode == 1
    assert b"secret key is not that of access key" in bad.stdout.splitlines()[-1]
    wrong = run("doctor", "aksk_default", extra={"connect_timeout": "soon"})
    assert b"connect_timeout must be a number of seconds. Correct this field" in wrong.stdout


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("download", "no such key"), 1, "error: GET "),
        (("upload", "no such file", "key"), 1, "error: no such file is no single file"),
        (("upload", "no such file", "key/"), 1, "there is no such file"),
        (("ls", "--conn-id", "missing"), 1, "isn't defined"),
        (("presign", "../key"), 1, "'..' segment"),
        (("presign",), 2, "required: KEY"),
        (("presign", "key", "--expires-in", "soon"), 2, "no lifetime such as"),
        (("presign", "key", "--expires-at", "2030-01-01T00:00:00"), 2, "has no time zone"),
        (("fly",), 2, "invalid choice"),
        ((), 2, "required: COMMAND"),
    ],
)
@pytest.mark.parametrize("cloud", ["oss"], indirect=True)
def test_an_error_is_one_line_and_an_exit_code(run: Run, words: tuple[str, ...], code: int, told: str) -> None:
    done = run(*words)
    assert done.returncode == code
    assert told in done.stderr.decode()
    assert b"Traceback" not in done.stderr
    assert done.stdout == b""
    if code == 1:
        assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("cloud", ["oss"], indirect=True)
def test_a_connection_of_the_metadata_database_is_found(
    run: Run, cloud: Cloud, in_database: Callable[..., str]
) -> None:
    """The environment has no such connection."""
    done = run("doctor", in_database(cloud, "of_the_database"))
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.splitlines()[-1] == b"=> Nothing is wrong"


def _interrupted(
    words: list[str], folder: Path, environment: dict[str, str], begun: Callable[[], bool], later: float = 0
) -> Done:
    """Press Ctrl-C so many seconds after it has begun."""
    running = Running(words, folder, environment)
    deadline = time.monotonic() + 60
    while not begun():
        assert time.monotonic() < deadline
        assert running.process.is_alive()
        time.sleep(0.02)
    time.sleep(later)
    running.interrupt()
    return running.wait()


def test_ctrl_c_leaves_an_upload_that_the_next_run_finishes(
    run: Run, cloud: Cloud, environment: dict[str, str], tmp_path: Path
) -> None:
    source, key = tmp_path / "large", f"resumed/{cloud.vendor}"
    source.write_bytes(os.urandom(41 * MIB))
    slow = cloud.emulator.faults.add(Fault(Slow(MIB), operation="upload_part", skip=4))
    words = ["upload", str(source), key, "--part-size", "5"]
    done = _interrupted(words, tmp_path / "first", environment, lambda: slow.seen > 4)
    cloud.emulator.faults.clear()
    assert (done.returncode, done.stdout) == (130, b"")
    assert b"what was moved is kept for the next attempt" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    with cloud.store() as store:
        assert not store.exists(key)
        assert len(list(open_uploads(store, cloud.bucket, key))) == 1
        again = cloud.emulator.faults.add(Fault(Slow(1000 * MIB), operation="upload_part"))
        assert run(*words).returncode == 0
        cloud.emulator.faults.clear()
        assert again.seen < 9
        assert store.head(key).size == 41 * MIB


def test_ctrl_c_leaves_a_download_that_the_next_run_finishes(
    run: Run, cloud: Cloud, environment: dict[str, str], tmp_path: Path
) -> None:
    key, target, body = f"large/{cloud.vendor}", tmp_path / "target", os.urandom(41 * MIB)
    with cloud.store() as store:
        store.put(key, body)
    slow = cloud.emulator.faults.add(Fault(Slow(MIB), operation="get"))
    words = ["download", key, str(target), "--part-size", "1"]
    done = _interrupted(words, tmp_path / "first", environment, lambda: slow.seen > 3, 1.0)
    cloud.emulator.faults.clear()
    assert (done.returncode, done.stdout) == (130, b"")
    assert len(done.stderr.splitlines()) == 1
    assert not target.exists()
    assert [path.name for path in tmp_path.iterdir() if "part" in path.name] != []
    assert run(*words).returncode == 0
    assert target.read_bytes() == body
    assert [path.name for path in tmp_path.iterdir() if "part" in path.name] == []


@pytest.mark.parametrize("cloud", ["oss"], indirect=True)
def test_the_bar_is_for_terminals(cloud: Cloud, shell: dict[str, str], tmp_path: Path) -> None:
    """On a pseudo-terminal it is drawn and cleared; the other tests see none through their pipes."""
    source = tmp_path / "large"
    source.write_bytes(bytes(12 * MIB))
    cloud.emulator.faults.add(Fault(Slow(8 * MIB), operation="put"))
    ours, theirs = os.openpty()
    try:
        done = subprocess.run(
            [sys.executable, "-m", "aksk_provider", "upload", str(source), "bar"],
            stdout=subprocess.PIPE,
            stderr=theirs,
            env=shell,
            timeout=60,
        )
        drawn = os.read(ours, 65536).decode()
    finally:
        os.close(ours)
        os.close(theirs)
        cloud.emulator.faults.clear()
    assert (done.returncode, done.stdout) == (0, b"")
    assert "% of 12 MiB" in drawn
    assert drawn.endswith("\r\x1b[K")
    assert quote(ACCOUNTS[0].secret_key) not in drawn
