"""Small objects one after the other, beside the vendors' SDKs and the standard library."""

from __future__ import annotations

import os

from tests.benchmarks.table import Table
from tests.benchmarks.transfers import Goal, Samples, bench, goals_of_small, table_of_small

TITLE = "10 KiB objects, one thread"
COUNT = int(os.environ.get("BENCH_COUNT", "1000"))
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "5"))


def run() -> Table:
    """Read and write them, over http and https."""
    found: dict[str, dict[str, Samples]] = {}
    goals: list[Goal] = []
    with bench(1, ROUNDS) as here:
        for scheme in ("http", "https"):
            for direction in ("get", "put"):
                title = f"{direction} {scheme}"
                found[title] = here.small(scheme, direction, COUNT)
                if scheme == "http":
                    goals += goals_of_small(f"10 KiB, {title}", found[title], 1.5, 2.0)
    return table_of_small(COUNT, found, here.notes, goals)
