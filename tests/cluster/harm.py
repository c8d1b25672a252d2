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
from tests.cluster.run import Run
from tests.support import processes
from tests.support.airflow_api import until

OUTAGE = 10.0


@dataclass(frozen=True)
class Harm:
    """What the killed worker was doing.

    :param tasks: its task instances
    :param uploads: parts that the store held of uploads that it had not completed, by object
    :param downloads: files of which it had fetched some ranges
    """

    tasks: list[str]
    uploads: Mapping[Place, set[int]]
    downloads: list[Path]


def slow_down(run: Run) -> None:
    """Make the store slow with large files, so that they are under way for a while."""
    faults = run.cluster.plan.emulator.faults
    faults.add(Fault(Slow(64 * 1024), operation="upload_part"))
    faults.add(Fault(Slow(512 * 1024), operation="get", key="down/large/*"))


def harm(run: Run) -> Harm:
    """Kill a worker in mid-transfer, let the store answer 503 for ten seconds, then kill triggerer and Redis.

    Another worker and another triggerer are started at once, and Redis two seconds later with what it held.
    """
    cluster = run.cluster
    assert cluster.redis
    run.wait(lambda: run.deferred() == cluster.plan.size.sensors, 900)
    found: dict[str, Harm] = {}
    until(lambda: found.update(_busy(run)) or found, 120)
    name, doing = max(found.items(), key=lambda item: len(item[1].uploads))
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
        uploads = {}
        for task in mine:
            if task["task_id"] == "upload_in_parts" and (held := _held(run, task)):
                uploads |= held
        if uploads:
            downloads = [path for task in mine if task["task_id"] == "download_in_parts" and (path := _part(run, task))]
            found[name] = Harm([f"{task['task_id']}[{task['map_index']}]" for task in mine], uploads, downloads)
    return found


def _planned(run: Run, task: Mapping[str, Any]) -> tuple[dict[str, str], Place]:
    planned = run.cluster.plan.tasks[task["task_id"]][task["map_index"]]
    return planned, (planned["aksk_conn_id"].removeprefix("aksk_"), planned["key"])


def _held(run: Run, task: Mapping[str, Any]) -> dict[Place, set[int]]:
    _, place = _planned(run, task)
    parts = {number for upload in run.cluster.ledger.uploads_of(place) for number in upload}
    return {place: parts} if parts and not run.cluster.ledger.writes()[place] else {}


def _part(run: Run, task: Mapping[str, Any]) -> Path | None:
    """Return the target of a download that has some of its ranges and not all."""
    target = Path(_planned(run, task)[0]["target"])
    journal = target.with_name(f".{target.name}.part.journal")
    return target if journal.exists() and len(journal.read_text().splitlines()) > 1 else None
