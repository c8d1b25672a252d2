"""Run the DAG at full size on LocalExecutor, on CeleryExecutor, and there again while much dies, and measure it.

``python -m tests.cluster [name ...] [--write]``; with ``--write`` the table goes into docs/cluster.md.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tests.benchmarks.__main__ import with_results
from tests.benchmarks.machine import describe
from tests.benchmarks.table import Table
from tests.cluster import services
from tests.cluster.checks import begun_again, wrong
from tests.cluster.cluster import CELERY, LOCAL, SLOTS, cluster
from tests.cluster.harm import harm, slow_down
from tests.cluster.plan import MIB, Size
from tests.cluster.run import Measured, Run

PAGE = Path(__file__).parents[2] / "docs" / "cluster.md"
#: executor, and whether the cluster is hurt
RUNS = {LOCAL: (LOCAL, False), CELERY: (CELERY, False), f"{CELERY}, hurt": (CELERY, True)}
SECONDS = 3600


def measure(executor: str, hurt: bool, size: Size) -> Measured:
    """Run the DAG to its end.

    :raises RuntimeError: something did not arrive, or arrived twice, or was left behind
    """
    with cluster(executor, size) as running:
        run = Run(running)
        doing = None
        if hurt:
            slow_down(run)
            doing = harm(run)
        run.wait(run.ended, SECONDS)
        if found := wrong(run) | (begun_again(run, doing) if doing else {}):
            raise RuntimeError(str(found))
        return run.measured()


def table(found: dict[str, Measured], size: Size) -> Table:
    """Return a row for each run."""
    rows = [
        (
            name,
            f"{one.seconds:.0f}",
            f"{one.transfers:.2f}",
            f"{one.mib:.1f}",
            f"{one.slots}",
            f"{one.deferred}",
            f"{one.beside}",
            f"{one.tried_again}",
        )
        for name, one in found.items()
    ]
    columns = ("executor", "seconds", "transfers/s", "MiB/s", "slots", "deferred", "slots meanwhile", "tried again")
    moved = f"{size.transfers} transfers of {size.moved / MIB:.0f} MiB in all, {size.large} of them in parts"
    notes = [
        f"{moved}; {size.sensors} deferred sensors; {SLOTS} slots.",
        describe("apache-airflow", "apache-airflow-providers-celery", "celery"),
    ]
    return Table(columns, rows, notes)


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    made = argparse.ArgumentParser(prog="python -m tests.cluster", description=__doc__)
    made.add_argument("name", nargs="*", help=f"which runs, by default all: {'; '.join(RUNS)}")
    made.add_argument("--write", action="store_true", help="put the table into docs/cluster.md")
    return made


def main() -> int:
    command_line = parser()
    options = command_line.parse_args()
    if unknown := sorted(set(options.name) - set(RUNS)):
        command_line.error(f"no run is called {unknown[0]!r}")
    if missing := services.missing():
        command_line.error(f"install the Debian packages {' and '.join(missing)}")
    size, found = Size(), dict[str, Measured]()
    for name in options.name or RUNS:
        print(f"{name} ...", flush=True)
        found[name] = measure(*RUNS[name], size)
    result = table(found, size)
    print(f"\n{result.text()}")
    if options.write:
        PAGE.write_text(with_results(PAGE.read_text("utf-8"), "cluster", result), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
