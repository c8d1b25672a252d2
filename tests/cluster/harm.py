"""What happens to the cluster in the middle of its work: a worker, the triggerer and Redis die, the store is busy."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from aksk_provider.emulator.faults import Fault, Slow, Status
from tests.cluster.ledger import Place
from tests.cluster.plan import MIB
from tests.cluster.run import Run
from tests.support import processes
from tests.support.airflow_api import until

OUTAGE = 10.0


@dataclass(frozen=True)
class Harm:
    """What the killed worker was doing.

    :param tasks: its task instances
    :param uploads: parts that the store held of uploads that it had not completed, by object
    :param downloads: task instances that had fetched some ranges of their file
    """

    tasks: list[str]
    uploads: Mapping[Place, set[int]]
    downloads: list[str]


def slow_down(run: Run) -> None:
    """Make the store slow with large files, so that they are under way for a while."""
    faults = run.cluster.plan.emulator.faults
    for operation, key in (("upload_part", "up/large/*"), ("get", "down/large/*")):
        faults.add(Fault(Slow(128 * 1024), operation=operation, key=key))


def harm(run: Run) -> Harm:
    """Kill a worker in mid-transfer, let the store answer 503 for ten seconds, then kill triggerer and Redis.

    Another worker and another triggerer are started at once, and Redis two seconds later with what it held.
    """
    cluster = run.cluster
    assert cluster.redis
    run.wait(lambda: run.deferred() == cluster.plan.size.sensors, 900)
    found: dict[str, Harm] = {}
    until(lambda: found.update(_busy(run)) or found, 120)
    name, doing = max(found.items(), key=lambda item: (len(item[1].downloads), len(item[1].uploads)))
    processes.kill_tree(cluster.workers[name])
    cluster.start_worker("worker-3")

    faults = cluster.plan.emulator.faults
    faults.clear()
    faults.add(Fault(Status(503)))
    faults.add(Fault(cluster.ledger))
    run.wait(lambda: False, OUTAGE)
    faults.clear()
    faults.add(Fault(cluster.ledger))

    cluster.replace_triggerer()
    cluster.await_workers()  # a worker that does not find Redis when it starts ends
    cluster.redis.kill()
    time.sleep(2)
    cluster.redis.start()
    return doing


def _busy(run: Run) -> dict[str, Harm]:
    """Return what each worker does that is in the middle of an upload in parts: some are there, others are not."""
    tasks = run.tasks(state="running")
    found = {}
    for name, worker in run.cluster.workers.items():
        below = {process.pid for process in psutil.Process(worker.pid).children(recursive=True)}
        mine = [task for task in tasks if task["pid"] in below]
        uploads: dict[Place, set[int]] = {}
        for task in mine:
            if task["task_id"] == "upload_in_parts":
                uploads |= _held(run, task)
        if uploads:
            downloads = [_name(task) for task in mine if task["task_id"] == "download_in_parts" and _begun(run, task)]
            found[name] = Harm([_name(task) for task in mine], uploads, downloads)
    return found


def _name(task: Mapping[str, Any]) -> str:
    return f"{task['task_id']}[{task['map_index']}]"


def _held(run: Run, task: Mapping[str, Any]) -> dict[Place, set[int]]:
    """Return the parts that the store has of an upload in the middle."""
    planned = run.cluster.plan.tasks[task["task_id"]][task["map_index"]]
    place = planned["aksk_conn_id"].removeprefix("aksk_"), planned["key"]
    parts = {number for upload in run.cluster.ledger.uploads_of(place) for number in upload}
    return {place: parts} if _in_the_middle(run, len(parts)) else {}


def _begun(run: Run, task: Mapping[str, Any]) -> bool:
    """Tell whether a download has some ranges of its file; its journal has a line for each after the first."""
    target = Path(run.cluster.plan.tasks[task["task_id"]][task["map_index"]]["target"])
    journal = target.with_name(f".{target.name}.part.journal")
    return journal.exists() and _in_the_middle(run, len(journal.read_text().splitlines()) - 1)


def _in_the_middle(run: Run, done: int) -> bool:
    """Tell whether some parts of a large file are there, and most are still to come."""
    return 2 <= done <= run.cluster.plan.size.large_bytes // MIB // 2
