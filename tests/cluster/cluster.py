"""PostgreSQL, Redis, Airflow's services, two Celery workers and the emulator: the topology of ``docker/``."""

from __future__ import annotations

import contextlib
import secrets
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from celery import Celery

from aksk_provider.emulator import Account, Emulator
from aksk_provider.emulator.faults import Fault
from tests.cluster import services
from tests.cluster.ledger import Ledger
from tests.cluster.plan import BUCKETS, Plan, Size
from tests.support import airflow_home, processes
from tests.support.airflow_api import until

DAGS = Path(__file__).parent / "dags"
CELERY, LOCAL = "CeleryExecutor", "LocalExecutor"
SLOTS = 16
WORKERS = ("worker-1", "worker-2")
SETTINGS = {
    "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
    "AIRFLOW__CELERY__WORKER_CONCURRENCY": str(SLOTS // len(WORKERS)),
    # What died is missed soon: a task without a sign of life after half a minute (by default five), a task that no
    # worker took after a minute (ten), a triggerer after ten seconds (thirty), a message without an answer after two
    # minutes (a day).
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
    """A running cluster.

    :param plan: what its DAG has to do
    :param ledger: what the store did
    :param running: Airflow's services by name
    :param workers: Celery's workers by name, those that were killed among them
    :param stack: ends what is started later
    """

    plan: Plan
    ledger: Ledger
    settings: dict[str, str]
    database: str
    logs: Path
    port: int
    running: dict[str, Any]
    stack: contextlib.ExitStack
    redis: services.Redis | None = None
    workers: dict[str, Any] = field(default_factory=dict)

    def start_worker(self, name: str) -> None:
        """Start a worker, which takes tasks some seconds later."""
        worker = processes.worker(name, self.settings, self.logs, port=self.port)
        self.workers[name] = self.stack.enter_context(worker)

    def replace_triggerer(self) -> None:
        """Kill the triggerer and start another."""
        processes.kill_tree(self.running["triggerer"])
        another = processes.triggerer(self.settings, self.logs, port=self.port)
        self.running["triggerer"] = self.stack.enter_context(another)

    def await_workers(self) -> None:
        """Wait until the workers answer that were not killed."""
        assert self.redis
        wanted = {f"celery@{name}" for name, process in self.workers.items() if process.poll() is None}
        with Celery(broker=self.redis.url) as app:
            until(lambda: {name for told in app.control.ping(timeout=1) for name in told} >= wanted, 120)

    def kill(self) -> None:
        """End all of Airflow: there is nothing left that could be lost."""
        for process in [*self.workers.values(), *self.running.values()]:
            processes.kill_tree(process)


@contextlib.contextmanager
def cluster(executor: str, size: Size) -> Iterator[Cluster]:
    """Run all of it until the block ends; with ``LocalExecutor`` without Redis and workers."""
    with contextlib.ExitStack() as stack:
        home = Path(
            stack.enter_context(tempfile.TemporaryDirectory(prefix="aksk-cluster-", ignore_cleanup_errors=True))
        )
        accounts = [Account(secrets.token_hex(8), secrets.token_hex(16), token) for token in (None, None, "token/+=")]
        emulator = stack.enter_context(Emulator(accounts=accounts, buckets=BUCKETS, data_dir=home / "store"))
        plan, ledger = Plan(size, home, emulator, accounts), Ledger()
        emulator.faults.add(Fault(ledger))
        database = stack.enter_context(services.postgres(home))
        redis = stack.enter_context(services.Redis(home / "redis")) if executor == CELERY else None
        settings = airflow_home.settings(home, DAGS) | SETTINGS | plan.settings()
        settings["AIRFLOW__CORE__EXECUTOR"] = executor
        settings["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"] = database
        if redis:
            settings["AIRFLOW__CELERY__BROKER_URL"] = redis.url
            settings["AIRFLOW__CELERY__RESULT_BACKEND"] = f"db+{database}"
        processes.prepare(settings, home / "prepare.log", plan.connections())
        port = processes.free_port()
        running = stack.enter_context(processes.airflow(settings, home, port=port, parallelism=SLOTS))
        made = Cluster(plan, ledger, settings, database, home, port, running, stack, redis)
        stack.callback(made.kill)
        if redis:
            for name in WORKERS:
                made.start_worker(name)
            made.await_workers()
        yield made
