"""Moving one large file, with its checksum, beside the vendors' SDKs, curl and the standard library."""

from __future__ import annotations

import os
from statistics import median

from tests.benchmarks.table import Table
from tests.benchmarks.transfers import LARGE, MIB, PACED, RATE, Samples, bench, goals_of_large, speed, table

TITLE = "A large file"
SIZE = int(os.environ.get("BENCH_MIB", "1024"))
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "7"))


def run() -> Table:
    """Move it by every client in turn, over http and https, both ways."""
    found: dict[tuple[str, str], dict[str, Samples]] = {}
    with bench(SIZE, ROUNDS) as here:
        for scheme in ("http", "https"):
            for direction, names in LARGE.items():
                found[scheme, direction] = here.large(scheme, direction, names)
        found[PACED] = here.large("https", "get", ("ours oss", "http.client"), rate=RATE)
    names = list(dict.fromkeys(name for samples in found.values() for name in samples))
    rows = []
    for name in names:
        cells = [f"{speed(s[name], SIZE):.0f}" if name in s else "-" for s in found.values()]
        cells += [f"{median(s[name].cpu) * 1024 / SIZE:.2f}" if name in s else "-" for s in found.values()]
        peak = max(s[name].peak for s in found.values() if name in s) / MIB
        rows.append((name, *cells, f"{peak:.1f}"))
    columns = [f"{direction} {scheme}" for scheme, direction in found]
    notes = [f"{SIZE} MiB: MiB a second, CPU seconds a GiB, peak memory in MiB over the idle client.", *here.notes]
    return table(
        ("MiB/s", *columns, *(f"CPU {column}" for column in columns), "memory"),
        rows,
        notes,
        list(goals_of_large(found)),
    )
