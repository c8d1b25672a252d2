"""Scheduler, DAG processor, triggerer and API server as processes of their own: waiting, failing, leaving no secret."""

from __future__ import annotations

import secrets
from pathlib import Path

import pytest

from aksk_provider.emulator import Account, Emulator
from tests.support import airflow_home, leaks, processes
from tests.support.airflow_api import Api, until
from tests.support.clouds import Cloud

DAGS = processes.REPOSITORY / "dags"
WAITS = """
from airflow.sdk import DAG
from aksk_provider.sensors import ObjectKeySensor

with DAG("waits", params={"conn_id": "aksk_default"}, default_args={"aksk_conn_id": "{{ params.conn_id }}"}):
    ObjectKeySensor(task_id="wait", key="e2e/never", deferrable=True, poke_interval=1, timeout=10)
"""


@pytest.mark.slow
@pytest.mark.xdist_group("services")  # one cluster at a time
@pytest.mark.timeout(900)
def test_a_deferred_sensor_works_and_fails_in_real_processes(emulator: Emulator, tmp_path: Path) -> None:
    account = Account(secrets.token_hex(8), secrets.token_hex(16), f"{secrets.token_hex(12)}/+={secrets.token_hex(12)}")
    emulator.accounts[account.access_key] = account
    cloud = Cloud("cos", emulator, own_account=account)
    folder = tmp_path / "dags"
    folder.mkdir()
    page = (DAGS / "deferrable_sensor.py").read_text()
    (folder / "deferrable_sensor.py").write_text(page.replace("poke_interval=15", "poke_interval=1"))
    (folder / "presigned_links.py").write_text((DAGS / "presigned_links.py").read_text())
    (folder / "waits.py").write_text(WAITS)
    settings = airflow_home.settings(tmp_path, folder) | {"AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False"}
    connections = {"aksk_default": cloud.fields(), "wrong": cloud.fields(password="wrong-secret")}
    processes.prepare(settings, tmp_path / "prepare.log", connections)

    port = processes.free_port()
    with processes.airflow(settings, tmp_path, port=port) as running:
        api = Api(port)
        until(lambda: api.call("GET", "dags")["total_entries"] == 3)
        found = api.start("deferrable_sensor", key="e2e/*.csv")
        links = api.start("presigned_links")
        timed_out = api.start("waits")
        refused = api.start("waits", conn_id="wrong")

        until(lambda: api.state(f"{found}/taskInstances/wait") == "deferred")
        with cloud.store() as store:
            store.put("e2e/a.csv", b"1\n2\n")
        runs = {"found": found, "links": links, "timed out": timed_out, "refused": refused}
        until(lambda: all(api.state(path) in ("success", "failed") for path in runs.values()), 240)
        states = {name: api.state(path) for name, path in runs.items()}
        assert states == {"found": "success", "links": "success", "timed out": "failed", "refused": "failed"}
        counted = api.call("GET", f"{found}/taskInstances/count_lines/xcomEntries/return_value")
        link = api.call("GET", f"{links}/taskInstances/get_link/xcomEntries/return_value?deserialize=true")
        ends = {
            name: str(api.call("GET", f"{runs[name]}/taskInstances/wait/logs/1")) for name in ("timed out", "refused")
        }
    assert "'e2e/a.csv': 2" in str(counted["value"]) or '"e2e/a.csv": 2' in str(counted["value"])
    assert "AirflowSensorTimeout" in ends["timed out"]
    assert "SignatureDoesNotMatch" in ends["refused"]
    assert "request id" in ends["refused"]
    assert all(process.returncode is not None for process in running.values())

    url = str(link["value"])
    forbidden = [*leaks.secrets(account), leaks.signature(url), "wrong-secret"]
    assert leaks.tables_with(tmp_path / "airflow.db", forbidden) == {"xcom"}
    assert leaks.tables_with(tmp_path / "airflow.db", [account.secret_key, "wrong-secret"]) == set()
    assert leaks.files_with(tmp_path, forbidden) == set()
    assert list((tmp_path / "logs").rglob("*.log")), "there were task logs to search"
