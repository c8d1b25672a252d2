"""A real browser (Debian's chromium, headless, driven by playwright), and a real Airflow for it to look at."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from aksk_provider.emulator import Account, Bucket, Emulator
from aksk_provider.emulator.faults import Fault, Slow
from tests.support import airflow_home, processes
from tests.support.airflow_api import Api, until
from tests.support.clouds import REGIONS

CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
MIB = 1024**2
ACCOUNTS = {
    "bos": Account("0123456789abcdef0123456789abcdef", "SK+SECRET/BOS"),
    "oss": Account("LTAI5tExample0000000000A", "SK+SECRET/OSS"),
    "cos": Account("AKID" + "x" * 60, "SK+SECRET/COS", token="TOKEN+SECRET/COS="),
}
BUCKETS = {"bos": "examplebucket", "oss": "examplebucket-oss", "cos": "examplebucket-1250000000"}


@dataclass(frozen=True)
class RunningAirflow:
    """An Airflow with its UI, a store, and a run of each DAG, begun.

    :param runs: path of the run in the REST API by DAG id
    """

    url: str
    api: Api
    store: Emulator
    runs: dict[str, str]

    def page(self, dag_id: str, rest: str = "") -> str:
        """Return the address of a page of a DAG's run."""
        return f"{self.url}/{self.runs[dag_id].replace('dagRuns', 'runs')}/{rest}".rstrip("/")

    def finished(self, dag_id: str) -> str:
        """Wait for a run's end and return its state."""
        until(lambda: self.api.state(self.runs[dag_id]) in ("success", "failed"), 180)
        return self.api.state(self.runs[dag_id])


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        # Loopback is asked directly, whatever proxy the machine has
        args = ["--no-sandbox", "--disable-dev-shm-usage", "--no-proxy-server"]
        expect.set_options(timeout=30_000)
        running = playwright.chromium.launch(executable_path=CHROMIUM, args=args)
        yield running
        running.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(accept_downloads=True)
    yield opened(context)
    context.close()


@pytest.fixture
def english(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1200, "height": 800}, locale="en-US")
    yield opened(context)
    context.close()


@pytest.fixture
def chinese(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1200, "height": 800}, locale="zh-CN")
    yield opened(context)
    context.close()


def opened(context: BrowserContext) -> Page:
    page = context.new_page()
    page.set_default_timeout(120_000)
    return page


def fields(store: Emulator, vendor: str) -> dict[str, Any]:
    """Return the fields of a connection as the form has them; with a port, see docs/connection.md."""
    account = ACCOUNTS[vendor]
    return {
        "host": f"http://{store.host}",
        "port": store.port,
        "login": account.access_key,
        "password": account.secret_key,
        "schema": BUCKETS[vendor],
        "extra": {"vendor": vendor, "region": REGIONS[vendor], "security_token": account.token},
    }


def start(api: Api, dag_id: str, **conf: Any) -> str:
    """Start a run with a short name, and return its path."""
    api.call("POST", f"dags/{dag_id}/dagRuns", dag_run_id="first", logical_date=None, conf=conf)
    return f"dags/{dag_id}/dagRuns/first"


@pytest.fixture(scope="session")
def airflow_ui(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningAirflow]:
    """Airflow's services as processes of their own; the runs go on while the form is tested."""
    home = tmp_path_factory.mktemp("airflow-ui")
    dags = home / "dags"
    reports = Path(tempfile.mkdtemp(prefix="reports-"))  # its name is in a picture
    for number in range(1, 41):
        (reports / f"月报 {number}.csv").write_text(f"月份,金额\n{number},100\n")
    settings = airflow_home.settings(home, dags) | {"AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False"}
    for file in (processes.REPOSITORY / "dags" / "object_storage_tour.py", Path(__file__).parent / "reports_dag.py"):
        shutil.copy(file, dags)
    with Emulator(accounts=ACCOUNTS.values(), buckets=[Bucket(*pair) for pair in BUCKETS.items()]) as store:
        store.faults.add(Fault(Slow(4 * MIB), method="PUT", key="tour/*/large.bin"))
        connections = {conn_id: fields(store, "oss") for conn_id in ("aksk_default", "aksk_oss")}
        for saved in connections.values():
            saved["extra"] = f'{{"vendor": "oss", "region": "{REGIONS["oss"]}"}}'
        processes.prepare(settings, home / "prepare.log", connections)
        port = processes.free_port()
        services = ("api-server", "scheduler", "dag-processor")
        with processes.airflow(settings, home, port=port, services=services):
            api = Api(port)
            until(lambda: api.call("GET", "dags")["total_entries"] == 2)
            runs = {
                "object_storage_tour": start(api, "object_storage_tour", conn_id="aksk_oss", mebibytes=48),
                "monthly_reports": start(api, "monthly_reports", folder=str(reports)),
            }
            yield RunningAirflow(api.url, api, store, runs)
    shutil.rmtree(reports)
