"""Run benchmarks: ``python -m tests.benchmarks [name ...] [--write]``.

A benchmark is a file ``bench_<name>.py`` here with a ``TITLE`` and a ``run()`` that returns a
:class:`~tests.benchmarks.table.Table`. With ``--write`` the results go into docs/benchmarks.md, between
``<!-- results: <name> -->`` and ``<!-- end -->``.
"""

from __future__ import annotations

import argparse
import sys
from importlib import import_module
from pathlib import Path

from tests.benchmarks.table import Table

HERE = Path(__file__).parent
PAGE = HERE.parent.parent / "docs" / "benchmarks.md"
END = "<!-- end -->"


def names() -> list[str]:
    """Return the names of the benchmarks."""
    return sorted(path.stem.removeprefix("bench_") for path in HERE.glob("bench_*.py"))


def with_results(page: str, name: str, table: Table) -> str:
    """Return a page with the block of a benchmark replaced by its results."""
    start = f"<!-- results: {name} -->"
    before, found, rest = page.partition(start)
    _, ended, after = rest.partition(END)
    if not (found and ended):
        raise ValueError(f"the page has no block {start} ... {END}")
    return f"{before}{start}\n{table.markdown()}\n{END}{after}"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks")
    parser.add_argument("name", nargs="*", help=f"which to run, by default all: {', '.join(names())}")
    parser.add_argument("--write", action="store_true", help="put the results into docs/benchmarks.md")
    options = parser.parse_args()
    if unknown := sorted(set(options.name) - set(names())):
        parser.error(f"no benchmark is called {unknown[0]}")
    missed: list[str] = []
    for name in options.name or names():
        benchmark = import_module(f"tests.benchmarks.bench_{name}")
        print(f"{benchmark.TITLE} ...", flush=True)
        table = benchmark.run()
        print(f"\n{table.text()}\n", flush=True)
        missed += table.missed
        if options.write:
            PAGE.write_text(with_results(PAGE.read_text("utf-8"), name, table), "utf-8")
    for goal in missed:
        print(f"missed: {goal}", file=sys.stderr)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
