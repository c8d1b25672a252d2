"""A run of the DAG: how it goes on, and what it took."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tests.cluster.cluster import Cluster
from tests.cluster.plan import MIB
from tests.support.airflow_api import Api, until

DAG_ID = "transfers_and_waits"
TRANSFERS = {"upload", "download", "upload_in_parts", "download_in_parts"}
ENDED = ("success", "failed")


class Run:
    """A run of the DAG in a cluster, from its start on."""

    def __init__(self, cluster: Cluster) -> None:
        self._api = Api(cluster.port)
        until(lambda: self._api.call("GET", "dags")["total_entries"] == 1, 120)
        self._path = self._api.start(DAG_ID)
        self.cluster = cluster
        self.slots: list[dict[str, int]] = []

    def wait(self, true: Callable[[], object], seconds: float) -> None:
        """Wait until something is true, or the time is over, and note the slots in use every second."""
        deadline = time.monotonic() + seconds
        while not true() and time.monotonic() < deadline:
            self.slots.append(self._api.call("GET", "pools/default_pool"))
            time.sleep(1)

    def state(self) -> str:
        return self._api.state(self._path)

    def ended(self) -> bool:
        return self.state() in ENDED

    def tasks(self, **asked: str) -> list[dict[str, Any]]:
        """Return the task instances, of a state or all."""
        query = "".join(f"&{name}={value}" for name, value in asked.items())
        found: list[dict[str, Any]] = []
        while True:
            page = self._api.call("GET", f"{self._path}/taskInstances?limit=100&offset={len(found)}&order_by=id{query}")
            found += page["task_instances"]
            if not page["task_instances"] or len(found) >= page["total_entries"]:
                return found

    def deferred(self) -> int:
        """Return how many sensors waited in the triggerer a moment ago."""
        return self.slots[-1]["deferred_slots"] if self.slots else 0

    def measured(self) -> Measured:
        """Return what it took; every task has succeeded."""
        run = self._api.call("GET", self._path)
        tasks = self.tasks()
        moves = [task for task in tasks if task["task_id"] in TRANSFERS]
        seconds = _seconds(min(task["start_date"] for task in moves), max(task["end_date"] for task in moves))
        most = max(slots["deferred_slots"] for slots in self.slots)
        return Measured(
            seconds=_seconds(run["start_date"], run["end_date"]),
            transfers=len(moves) / seconds,
            mib=self.cluster.plan.size.moved / MIB / seconds,
            slots=max(slots["running_slots"] for slots in self.slots),
            deferred=most,
            beside=max(slots["running_slots"] for slots in self.slots if slots["deferred_slots"] == most),
            tried_again=sum(task["try_number"] > 1 for task in tasks),
        )


@dataclass(frozen=True)
class Measured:
    """What a run took.

    :param seconds: of the whole run
    :param transfers: transfers a second, from the start of the first to the end of the last
    :param mib: MiB a second in the same time
    :param slots: most tasks that ran at once
    :param deferred: most sensors that waited at once
    :param beside: most tasks that ran while so many waited
    :param tried_again: task instances that needed more than one try
    """

    seconds: float
    transfers: float
    mib: float
    slots: int
    deferred: int
    beside: int
    tried_again: int


def _seconds(start: str, end: str) -> float:
    began, ended = (datetime.fromisoformat(text.replace("Z", "+00:00")) for text in (start, end))
    return (ended - began).total_seconds()
