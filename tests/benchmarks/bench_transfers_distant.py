"""Small files to and from a server that takes its time: a pool of 16 beside the SDKs in a loop."""

from __future__ import annotations

import os

from tests.benchmarks.table import Table
from tests.benchmarks.transfers import LATENCY_MS, Goal, Samples, bench, goals_of_small, table_of_small

TITLE = f"10 KiB files, {LATENCY_MS} ms away"
COUNT = int(os.environ.get("BENCH_COUNT", "1000"))
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "5"))


def run() -> Table:
    """Upload and download a folder of them."""
    found: dict[str, dict[str, Samples]] = {}
    goals: list[Goal] = []
    with bench(1, ROUNDS) as here:
        for direction in ("get", "put"):
            found[direction] = here.distant(direction, COUNT)
            goals += goals_of_small(f"10 KiB, {LATENCY_MS} ms, {direction}", found[direction], 8.0, None)
    waits = f"The server waits {LATENCY_MS} ms before each answer; ours has a pool of 16, the SDKs a loop."
    return table_of_small(COUNT, found, [waits, *here.notes], goals)
