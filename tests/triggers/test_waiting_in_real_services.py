"""Each way of waiting through a scheduler, DAG processor, triggerer and API server: also killed, and with new keys."""

from __future__ import annotations

import contextlib
import secrets
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from aksk_provider.emulator import Account, Emulator
from tests.support import airflow_home, leaks, processes
from tests.support.clouds import Cloud
from tests.triggers.test_real_services import Api, until

DAGS = """
from datetime import timedelta
from airflow.sdk import DAG, Asset, AssetAlias, AssetWatcher, task
from aksk_provider.operators import UploadObjectOperator
from aksk_provider.sensors import ObjectKeySensor, PrefixSensor, PrefixUnchangedSensor
from aksk_provider.triggers.object_events import ObjectEventTrigger

def odd(info):
    return info["size"] % 2 == 1

FAST = {"poke_interval": 2, "timeout": 900}
with DAG("ways", schedule=None, default_args=FAST):
    for mode, how in {
        "reschedule": {"mode": "reschedule", "poke_interval": 8}, "deferred": {"deferrable": True}
    }.items():
        if mode == "deferred":
            ObjectKeySensor(task_id=f"key_{mode}", key="way/a", **how)
            ObjectKeySensor(task_id=f"wild_{mode}", key="way/*.csv", min_size=2, unchanged_for=2, **how)
            ObjectKeySensor(task_id=f"regex_{mode}", key=["way/b.+", "no/.*"], regex=True, any_of=True, **how)
        ObjectKeySensor(task_id=f"check_{mode}", key="way/c*", check_fn=odd,
                        newer_than="{{ dag_run.run_after.isoformat() }}", **how)
        PrefixSensor(task_id=f"prefix_{mode}", prefix="way/", min_objects=3, marker="_SUCCESS", **how)
        PrefixUnchangedSensor(task_id=f"quiet_{mode}", prefix="way/", inactivity_period=4, **how)
with DAG("late", schedule=None):
    ObjectKeySensor(task_id="late", key="late/a", deferrable=True, poke_interval=1, timeout=900)
with DAG("refused", schedule=None):
    ObjectKeySensor(task_id="refused", aksk_conn_id="doomed", key="refused/a", deferrable=True, poke_interval=1)
with DAG("soft", schedule=None):
    ObjectKeySensor(task_id="soft", key="soft/a", deferrable=True, poke_interval=1, timeout=3, soft_fail=True)

incoming = Asset("incoming", watchers=[AssetWatcher(
    name="new", trigger=ObjectEventTrigger("incoming/", poke_interval=1, aksk_conn_id="aksk_default"))])
with DAG("on_new_object", schedule=[incoming], max_active_runs=1):
    @task
    def seen(triggering_asset_events=None):
        return [event.extra["payload"]["key"] for event in triggering_asset_events[incoming]]
    seen()
"""


def fresh() -> Account:
    return Account(secrets.token_hex(8), secrets.token_hex(16), f"{secrets.token_hex(12)}/+={secrets.token_hex(12)}")


@pytest.mark.slow
@pytest.mark.xdist_group("services")  # one cluster at a time
@pytest.mark.timeout(1200)
def test_every_way_of_waiting_works_in_real_processes(emulator: Emulator, tmp_path: Path) -> None:
    account, doomed, rotated = fresh(), fresh(), fresh()
    for one in (account, doomed):
        emulator.accounts[one.access_key] = one
    cloud = Cloud("oss", emulator, own_account=account)
    (tmp_path / "dags").mkdir()
    (tmp_path / "dags" / "ways.py").write_text(DAGS)
    settings = airflow_home.settings(tmp_path, tmp_path / "dags") | {
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        "AIRFLOW__SCHEDULER__TRIGGER_TIMEOUT_CHECK_INTERVAL": "5",
    }
    other = Cloud("oss", emulator, own_account=doomed)
    connections = {"aksk_default": cloud.fields(), "doomed": other.fields()}
    processes.prepare(settings, tmp_path / "prepare.log", connections)
    port = processes.free_port()
    store = cloud.store()
    store.put("incoming/there-before", b"x")

    with processes.airflow(settings, tmp_path, port=port, parallelism=6) as running:
        api = Api(port)
        until(lambda: api.call("GET", "dags")["total_entries"] == 5)
        runs = {name: api.start(name) for name in ("late", "refused", "soft", "ways")}

        def state(name: str, task: str) -> str:
            return api.state(f"{runs[name]}/taskInstances/{task}")

        until(lambda: state("late", "late") == state("refused", "refused") == "deferred")
        time.sleep(3)
        # the second account stops being accepted after many looks that said "absent"
        del emulator.accounts[doomed.access_key]
        until(lambda: api.state(runs["refused"]) == "failed")
        assert state("late", "late") == "deferred"

        # rotated while waiting: the connection has the new pair, and the old one is refused
        emulator.accounts[rotated.access_key] = rotated
        cloud = Cloud("oss", emulator, own_account=rotated)
        api.call("PATCH", "connections/aksk_default", **patch(cloud))
        del emulator.accounts[account.access_key]
        store = cloud.store()
        until(lambda: all(state("ways", f"{way}_deferred") == "deferred" for way in ("key", "wild", "prefix")), 300)
        store.put("incoming/one", b"1")
        told = told_of(api)
        until(lambda: told() == ["incoming/one"], 240)

        # killed while waiting, and started again; what was told is noted as told after three seconds
        time.sleep(6)
        running["triggerer"].send_signal(signal.SIGKILL)
        running["triggerer"].wait()
        processes.kill_group(running["triggerer"])
        store.put("incoming/two", b"2")
        with processes.triggerer(settings, tmp_path, port=port):
            store.put("late/a", b"x")
            until(lambda: api.state(runs["late"]) == "success", 300)
            for key, body in {"a": b"1", "b1": b"1", "c": b"22", "d.csv": b"22"}.items():
                store.put(f"way/{key}", body)
            store.put("way/_SUCCESS", b"")
            until(lambda: state("ways", "prefix_deferred") == "success", 300)
            store.put("way/c", b"333")
            ways = f"{runs['ways']}/taskInstances"
            states = {}

            def over() -> bool:
                found = api.call("GET", ways)["task_instances"]
                states.update({task["task_id"]: task["state"] for task in found})
                return set(states.values()) <= {"success", "failed"}

            with contextlib.suppress(AssertionError):
                until(over, 400)
            assert set(states.values()) == {"success"}, states
            with contextlib.suppress(AssertionError):
                until(lambda: told() == ["incoming/one", "incoming/two"], 180)
            time.sleep(4)
            assert told() == ["incoming/one", "incoming/two"]
            # its time was up before Airflow had noticed the end of its first process
            until(lambda: api.state(runs["soft"]) in ("success", "failed"))
            assert state("soft", "soft") == "skipped"
            value = api.call("GET", f"{runs['ways']}/taskInstances/check_deferred/xcomEntries/return_value")["value"]
            log = str(api.call("GET", f"{runs['refused']}/taskInstances/refused/logs/1"))
    assert "333" not in str(value)
    assert "'size': 3" in str(value) or '"size": 3' in str(value)
    assert "InvalidAccessKeyId" in log
    forbidden = [form for one in (account, doomed, rotated) for form in leaks.secrets(one)]
    assert leaks.tables_with(tmp_path / "airflow.db", forbidden) == set()
    assert leaks.files_with(tmp_path, forbidden) == set()


def patch(cloud: Cloud) -> dict[str, Any]:
    return {"connection_id": "aksk_default", "conn_type": "aksk", **cloud.fields()}


def told_of(api: Api) -> Any:
    """Return what tells the keys of all asset events, in order."""

    def told() -> list[str]:
        events = api.call("GET", "assets/events?order_by=timestamp")["asset_events"]
        return [event["extra"]["payload"]["key"] for event in events]

    return told
