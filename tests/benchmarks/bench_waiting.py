"""What waiting costs the triggerer: 1,000 and 5,000 triggers in one event loop, beside Amazon's ``S3KeyTrigger``.

The store is a loopback server in a process of its own that says "absent" to everything; every trigger asks every 5 s.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.machine import describe
from tests.benchmarks.table import Table

TITLE = "Waiting"
ROOT = Path(__file__).parents[2]
SECONDS = 20.0
AMAZON = "Amazon S3KeyTrigger"


@dataclass(frozen=True)
class Case:
    """Triggers of a kind."""

    name: str
    kind: str
    count: int


DISTINCT = Case("ours, a key each", "ours", 1000)
SHARED = Case("ours, one prefix", "ours_shared", 1000)
MANY = Case("ours, a key each", "ours", 5000)
MANY_SHARED = Case("ours, one prefix", "ours_shared", 5000)
THEIRS = Case(AMAZON, "amazon", 1000)
CASES = (DISTINCT, SHARED, MANY, MANY_SHARED, THEIRS)
#: goals against Amazon's: CPU of a poll, memory of a trigger, CPU of a start
RATIOS = {"poll_ms": 6.0, "kb": 40.0, "start_ms": 100.0}
LIMIT_MB, LIMIT_LAG_MS = 150.0, 50.0


def measure(case: Case, seconds: float = SECONDS) -> Mapping[str, float] | None:
    """Run a case in processes of its own; ``None`` when what it needs is not installed."""
    python = [sys.executable, "-W", "ignore", "-m"]
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW_", "PYTEST_"))}
    with tempfile.TemporaryDirectory() as home:
        environment = kept | {"AIRFLOW_HOME": home, "AIRFLOW__CORE__LOAD_EXAMPLES": "False"}
        server = subprocess.Popen(
            [*python, "tests.benchmarks.waiting_server"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            assert server.stdout
            port = server.stdout.readline().strip()
            done = subprocess.run(
                [*python, "tests.benchmarks.waiting_client", case.kind, str(case.count), str(seconds), port],
                cwd=ROOT,
                env=environment,
                capture_output=True,
                text=True,
                timeout=900,
                check=False,
            )
        finally:
            server.communicate("")
    if "ModuleNotFoundError" in done.stderr or "MissingOptional" in done.stderr:
        return None
    if done.returncode:
        raise RuntimeError(done.stderr[-3000:])
    said: Mapping[str, float] = json.loads(done.stdout.splitlines()[-1])
    return said


def run() -> Table:
    """Measure every case."""
    found = {case: said for case in CASES if (said := measure(case))}
    rows = [
        (
            f"{case.count:,} {case.name}",
            f"{said['start_ms']:.2f}",
            f"{said['poll_ms']:.3f}" if "one prefix" not in case.name else "",
            f"{said['cpu'] * 100:.1f}",
            f"{said['kb']:.1f}",
            f"{said['mb']:.0f}",
            f"{said['per_minute']:,.0f}",
            f"{said['lag_ms']:.0f}",
        )
        for case, said in found.items()
    ]
    return Table(
        columns=("triggers", "start, ms CPU", "poll, ms CPU", "CPU %", "KB each", "MB", "requests/min", "p99 lag, ms"),
        rows=[*rows, *((case.name, "not installed", *[""] * 6) for case in CASES if case not in found)],
        notes=[
            f"CPU of the client's process; steady figures over {SECONDS:.0f} s; a start is without its polls.",
            "Lag is how late a sleep of 50 ms ends.",
            f"5,000 of {AMAZON} are left out: they took 7 GB and 152 s of CPU to start.",
            describe("apache-airflow", "aiohttp", "apache-airflow-providers-amazon", "aiobotocore"),
        ],
        missed=list(missed(found)),
    )


def missed(found: Mapping[Case, Mapping[str, float]]) -> list[str]:
    """Return the goals that were not reached, in words."""
    goals = []
    if theirs := found.get(THEIRS):
        for what, times in RATIOS.items():
            if theirs[what] / found[DISTINCT][what] < times:
                goals.append(
                    f"waiting: {what} is {theirs[what] / found[DISTINCT][what]:.1f} times better, not {times:.0f}"
                )
    for case in (MANY, MANY_SHARED):
        if found[case]["mb"] > LIMIT_MB:
            goals.append(f"waiting: {case.count} triggers take {found[case]['mb']:.0f} MB, not {LIMIT_MB:.0f}")
        if found[case]["lag_ms"] > LIMIT_LAG_MS:
            goals.append(f"waiting: a p99 lag of {found[case]['lag_ms']:.0f} ms, not {LIMIT_LAG_MS:.0f}")
    if found[MANY_SHARED]["per_minute"] > found[SHARED]["per_minute"] * 1.5 + 5:
        goals.append("waiting: requests grow with the number of triggers of one prefix")
    return goals
