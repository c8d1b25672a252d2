"""After a run with recipes no signature, token or secret key is found anywhere; with links, only in XCom."""

from __future__ import annotations

import base64
import logging
import secrets
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from aksk_provider.emulator import Account, Emulator
from tests.support import airflow_home, dag_runs, leaks, links_dag, processes
from tests.support.airflow_api import Api, until
from tests.support.clouds import VENDORS, Cloud

Put = Callable[..., str]
DAG_FILE = Path(links_dag.__file__)


@pytest.fixture(params=VENDORS)
def leaky(request: pytest.FixtureRequest, emulator: Emulator) -> Iterator[Cloud]:
    """A cloud with temporary keys that no other test uses: what is found was left by the test."""
    token = f"{secrets.token_hex(12)}/+={secrets.token_hex(12)}"
    account = Account(secrets.token_hex(8), secrets.token_hex(16), token)
    emulator.accounts[account.access_key] = account
    yield Cloud(request.param, emulator, own_account=account)
    del emulator.accounts[account.access_key]
    emulator.faults.clear()


def nothing_but(kept: set[str], home: Path, leaky: Cloud, overheard: leaks.Overheard) -> None:
    """Check that signatures and token are in these tables only, and the secret key nowhere."""
    forbidden = [*leaks.secrets(leaky.account), *overheard.signatures]
    assert leaks.files_with(home, forbidden) == set()
    assert leaks.files_with_signatures(home) == set()
    assert leaks.tables_with(home / "airflow.db", forbidden) == kept
    assert leaks.tables_with(home / "airflow.db", [leaky.account.secret_key]) == set()


@pytest.mark.parametrize("emit", ["recipe", "url"])
def test_a_run_leaves_no_secret_with_recipes_and_only_in_xcom_with_links(
    emit: str,
    leaky: Cloud,
    in_database: Put,
    home: Path,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    in_database(leaky)
    caplog.set_level(logging.DEBUG, "aksk_provider")
    caplog.set_level(logging.DEBUG, "urllib3")
    overheard = leaks.Overheard(leaky.emulator)
    (tmp_path / "file").write_bytes(b"content")
    dag = dag_runs.load(DAG_FILE)[f"links_as_{emit}"]
    result = dag_runs.run(dag, {"folder": str(tmp_path)})
    printed = capfd.readouterr()
    assert set(result.errors) == links_dag.FAILING
    files = links_dag.FILES | (links_dag.FILES_OF_TEMPLATES if emit == "recipe" else set())
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == dict.fromkeys(files, b"content")
    assert overheard.links_used == len(files) + 1  # the file went up, the others came down, and one is not there

    logged = [r.getMessage() for r in caplog.records if not r.name.startswith("uvicorn")]
    errors = [f"{error!r} {error}" for error in result.errors.values()]
    told = "\n".join([*logged, printed.out, printed.err, *errors])
    assert "downloaded 7 bytes" in told
    assert [text for text in (*leaks.secrets(leaky.account), *overheard.signatures) if text in told] == []
    nothing_but({"xcom"} if emit == "url" else set(), home, leaky, overheard)


@pytest.mark.slow
@pytest.mark.xdist_group("services")  # one cluster at a time
@pytest.mark.timeout(900)
@pytest.mark.parametrize("leaky", ["cos"], indirect=True)
def test_real_workers_leave_nothing_of_a_recipe(leaky: Cloud, tmp_path: Path) -> None:
    """Each task is a process of its own here, which no other one's masks help.

    Where a task prints its link, its log shows ``***``. Airflow 3.3.2 copies task logs to the standard output of the
    process that runs them, and masks nothing there; so that is searched only while no task prints its link.
    """
    home, files = tmp_path / "home", tmp_path / "files"
    for folder in (home / "dags", files):
        folder.mkdir(parents=True)
    (home / "dags" / DAG_FILE.name).write_text(DAG_FILE.read_text())
    settings = airflow_home.settings(home) | {"AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False"}
    processes.prepare(settings, home / "prepare.log", {"aksk_default": leaky.fields()})
    overheard = leaks.Overheard(leaky.emulator)
    wanted = {"file", *links_dag.FILES, *links_dag.FILES_OF_TEMPLATES}

    port = processes.free_port()
    with processes.airflow(settings, home, port=port):
        api = Api(port)
        until(lambda: api.call("GET", "dags")["total_entries"] == 2)
        for shout in (False, True):
            folder = files / str(shout)
            folder.mkdir()
            (folder / "file").write_bytes(b"content")
            path = api.start("links_as_recipe", folder=str(folder), shout=shout)
            until(lambda path=path: api.state(path) in ("success", "failed"), 300)  # type: ignore[misc]
            instances = api.call("GET", f"{path}/taskInstances")["task_instances"]
            assert {one["task_id"] for one in instances if one["state"] != "success"} == links_dag.FAILING
            assert {file.name for file in folder.iterdir()} == wanted
            if not shout:
                nothing_but(set(), home, leaky, overheard)
                assert leaks.tables_with_signatures(home / "airflow.db", "links_as_recipe") == set()
    forbidden = [*leaks.secrets(leaky.account), *overheard.signatures]
    assert leaks.tables_with(home / "airflow.db", forbidden) == set()
    assert leaks.files_with(home / "logs", forbidden) == set()
    shouted = leaks.files_with(home / "logs", ["shouting ***", "shouting '***'"])
    assert {task for task in ("use", "by_shell") for name in shouted if f"task_id={task}/" in name} == {
        "use",
        "by_shell",
    }


def test_the_search_reads_what_is_encoded(tmp_path: Path) -> None:
    secret = "q-signature=00"
    for form in (
        secret,
        quote(secret, safe=""),
        quote(quote(secret, safe="")),
        base64.b64encode(b"a text with " + secret.encode()),
        zlib.compress(secret.encode()),
        zlib.compress(quote(secret, safe="").encode()),
    ):
        assert any(secret in reading for reading in leaks.readings(form)), form
        (tmp_path / "file").write_bytes(form if isinstance(form, bytes) else form.encode())
        assert leaks.files_with(tmp_path, [secret]) == leaks.files_with_signatures(tmp_path) == {"file"}


def test_the_search_hears_every_signature(oss: Cloud) -> None:
    overheard = leaks.Overheard(oss.emulator)
    with oss.store() as store:
        store.put("leaks/heard", b"x")
    oss.emulator.faults.clear()
    assert (len(overheard.signatures), overheard.links_used) == (1, 0)
