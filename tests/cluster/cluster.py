"""An Airflow of many processes that runs the DAG of transfers and waits, is hurt on the way, and is measured."""

from __future__ import annotations

import contextlib
import os
import secrets
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import psutil
from celery import Celery

from aksk_provider.emulator import Account, Emulator
from aksk_provider.emulator.faults import Fault, Slow, Status
from tests.cluster import services
from tests.cluster.plan import BUCKETS, MIB, Ledger, Plan, Size
from tests.support import airflow_home, processes
from tests.support.airflow_api import Api, until

DAGS = Path(__file__).parent / "dags"
DAG_ID = "transfers_and_waits"
SLOTS = 8
WORKERS = ("worker-1", "worker-2")
SETTINGS = {
    "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
    "AIRFLOW__CELERY__WORKER_CONCURRENCY": str(SLOTS // len(WORKERS)),
    # What died is missed soon: a task without a sign of life after half a minute (by default after five), a task that
    # no worker took after a minute (ten), a triggerer after ten seconds (thirty).
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "30",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "5",
    "AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT": "60",
    "AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT_CHECK_INTERVAL": "10",
    "AIRFLOW__TRIGGERER__JOB_HEARTBEAT_SEC": "3",
    "AIRFLOW__TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "10",
    "AIRFLOW__CELERY_BROKER_TRANSPORT_OPTIONS__VISIBILITY_TIMEOUT": "120",
}


@dataclass
class Cluster:
    """A running cluster, and what is needed to look at it and to hurt it."""

    plan: Plan
    ledger: Ledger
    settings: dict[str, str]
    logs: Path
    port: int
    running: dict[str, Any]
    stack: contextlib.ExitStack
    redis: services.Redis | None = None
    workers: dict[str, Any] = field(default_factory=dict)

    def start_worker(self, name: str) -> None:
        """Start a worker and wait until it takes tasks."""
        worker = processes.worker(name, self.settings, self.logs, port=self.port)
        self.workers[name] = self.stack.enter_context(worker)

    def await_workers(self) -> None:
        """Wait until every worker that was not killed answers."""
        assert self.redis
        app = Celery(broker=self.redis.url)
        wanted = {name for name, process in self.workers.items() if process.poll() is None}
        until(lambda: {n for told in app.control.ping(timeout=1) for n in told} >= {f"celery@{n}" for n in wanted} , 90)
        app.close()


@contextlib.contextmanager
def cluster(executor: str, size: Size) -> Iterator[Cluster]:
    """Run PostgreSQL, Redis, Airflow with all its services, two workers for Celery, and the emulator."""
    with contextlib.ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="aksk-cluster-", ignore_cleanup_errors=True)))
        tokens = (None, None, secrets.token_hex(24))
        accounts = [Account(secrets.token_hex(8), secrets.token_hex(16), token) for token in tokens]
        ledger = Ledger()
        emulator = stack.enter_context(Emulator(accounts=accounts, buckets=BUCKETS, data_dir=home / "store"))
        plan = Plan(size, home, emulator, accounts)
        emulator.faults.add(Fault(ledger))
        database = stack.enter_context(services.postgres(home))
        settings = airflow_home.settings(home, DAGS) | SETTINGS
        settings |= {
            "CLUSTER_PLAN": str(plan.file),
            "AIRFLOW__CORE__EXECUTOR": executor,
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": database,
        }
        redis = stack.enter_context(services.Redis(home / "redis")) if executor == "CeleryExecutor" else None
        if redis:
            settings["AIRFLOW__CELERY__BROKER_URL"] = redis.url
            settings["AIRFLOW__CELERY__RESULT_BACKEND"] = f"db+{database}"
        processes.prepare(settings, home / "prepare.log", plan.connections())
        port = processes.free_port()
        running = stack.enter_context(processes.airflow(settings, home, port=port, parallelism=SLOTS))
        made = Cluster(plan, ledger, settings, home, port, running, stack, redis)
        if redis:
            for name in WORKERS:
                made.start_worker(name)
            made.await_workers()
        yield made


@dataclass
class Run:
    """A run of the DAG, as it goes."""

    api: Api
    path: str
    peaks: Counter[str] = field(default_factory=Counter)
    samples: list[dict[str, int]] = field(default_factory=list)

    def state(self) -> str:
        return self.api.state(self.path)

    def tasks(self, **asked: Any) -> list[dict[str, Any]]:
        """Return the task instances."""
        query = "&".join(f"{name}={value}" for name, value in asked.items())
        found: list[dict[str, Any]] = []
        while True:
            page = self.api.call("GET", f"{self.path}/taskInstances?limit=100&offset={len(found)}&{query}")
            found += page["task_instances"]
            if len(found) >= page["total_entries"]:
                return found

    def sample(self) -> None:
        """Note how many slots are in use, and how many sensors are deferred."""
        pool = self.api.call("GET", "pools/default_pool")
        self.samples.append({name: pool[name] for name in ("running_slots", "queued_slots", "deferred_slots", "occupied_slots")})
