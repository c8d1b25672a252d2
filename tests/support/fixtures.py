"""Fixtures of the tests that need Airflow: one home and database for each worker of pytest, removed at the end.

Loaded as a plugin by ``tests/conftest.py``, so that the settings are there before anything imports Airflow.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from aksk_provider.emulator import Emulator
from tests.support import airflow_home
from tests.support.clouds import VENDORS, Cloud

_HOME = Path(tempfile.mkdtemp(prefix=f"aksk-airflow-{os.getpid()}-"))
os.environ.update({name: value for name, value in airflow_home.settings(_HOME).items() if name != "TMPDIR"})
# No scheduler watches tasks here, so that deferrals need not last until it noticed them
os.environ["AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL"] = "0"


def pytest_unconfigure() -> None:
    shutil.rmtree(_HOME, ignore_errors=True)


@pytest.fixture(scope="session")
def home() -> Path:
    """The folder of this Airflow: database, configuration and logs."""
    return _HOME


@pytest.fixture(scope="session")
def database() -> None:
    """The metadata database."""
    airflow_home.create_database()


@pytest.fixture(params=VENDORS)
def cloud(request: pytest.FixtureRequest, emulator: Emulator) -> Cloud:
    """Each cloud with permanent keys; Tencent's with a temporary pair and its token."""
    return Cloud(request.param, emulator, temporary=request.param == "cos")


@pytest.fixture(params=[f"{vendor}-{keys}" for vendor in VENDORS for keys in ("permanent", "temporary")])
def any_cloud(request: pytest.FixtureRequest, emulator: Emulator) -> Cloud:
    """Each cloud, with permanent keys and with a temporary pair and its token."""
    vendor, keys = request.param.split("-")
    return Cloud(vendor, emulator, temporary=keys == "temporary")


@pytest.fixture
def oss(emulator: Emulator) -> Cloud:
    """One cloud, for what does not depend on it."""
    return Cloud("oss", emulator)


@pytest.fixture
def in_environment(monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Put a cloud's connection into the environment and return its id."""

    def put(cloud: Cloud, conn_id: str = "aksk_default", **changes: Any) -> str:
        monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", cloud.json(**changes))
        return conn_id

    return put


@pytest.fixture
def in_database(database: None) -> Callable[..., str]:
    """Save a cloud's connection in the metadata database and return its id."""

    def put(cloud: Cloud, conn_id: str = "aksk_default", **changes: Any) -> str:
        airflow_home.save_connection(conn_id, **cloud.fields(**changes))
        return conn_id

    return put


@pytest.fixture
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Let temporary files that DAGs make appear below the test's own folder."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


@pytest.fixture
def run_cli(database: None, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Run an ``airflow`` command in this process and return what it printed to standard output."""
    from airflow.cli import cli_parser

    monkeypatch.setenv("_AIRFLOW_PROCESS_CONTEXT", "server")  # as some commands set it, and leave it

    def run(*arguments: str) -> str:
        options = cli_parser.get_parser().parse_args(arguments)
        capsys.readouterr()
        options.func(options)
        return capsys.readouterr().out

    return run
