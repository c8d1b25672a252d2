"""Run the Airflow part of the tests with other versions: ``python -m tests.matrix [cell ...] [--write]``.

A cell is a Python and an Airflow, in a virtual environment of its own below ``.venv-matrix``, where pytest also leaves
its results. With ``--write`` the last results of all cells go into docs/versions.md.
"""

from __future__ import annotations

import argparse
import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from xml.etree import ElementTree as ET

from tests.benchmarks.__main__ import with_results
from tests.benchmarks.table import Table

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "versions.md"
PYTHONS = ("3.10", "3.13")
CONSTRAINTS = ("constraints-airflow31.txt", "constraints.txt")
TESTS = ("hooks", "operators", "sensors", "triggers", "dags", "cli", "demo", "test_assets.py", "test_plugins.py")
COLUMNS = ("Python", "Airflow", "passed", "skipped", "failed", "minutes", "on")


@dataclass(frozen=True)
class Cell:
    """A Python and an Airflow to run the tests with.

    :param python: its minor version
    :param constraints: the file that has the versions of Airflow and all else
    """

    python: str
    constraints: str

    @property
    def airflow(self) -> str:
        """The version of Airflow."""
        pinned = re.search(r"^apache-airflow==(\S+)", (ROOT / self.constraints).read_text("utf-8"), re.MULTILINE)
        assert pinned, self.constraints
        return pinned[1]

    @property
    def name(self) -> str:
        """As the cell is asked for, such as ``py310-airflow31``."""
        return f"py{self.python}-airflow{'.'.join(self.airflow.split('.')[:2])}".replace(".", "")

    @property
    def folder(self) -> Path:
        """Its virtual environment."""
        return ROOT / ".venv-matrix" / self.name

    @property
    def results(self) -> Path:
        """What pytest left."""
        return self.folder / "results.xml"

    def interpreter(self) -> str | None:
        """Return the Python that is installed, if any."""
        found = shutil.which(f"python{self.python}")
        works = found and subprocess.run([found, "-c", "import venv, ensurepip"], capture_output=True).returncode == 0
        return found if works else None

    def install(self, interpreter: str) -> None:
        """Make the virtual environment, unless it is there and newer than what it is made from."""
        stamp, sources = self.folder / ".installed", [ROOT / "pyproject.toml", ROOT / self.constraints]
        if stamp.exists() and all(stamp.stat().st_mtime > source.stat().st_mtime for source in sources):
            return
        print(f"Installing Airflow {self.airflow} on Python {self.python}; a minute or two", flush=True)
        subprocess.run([interpreter, "-m", "venv", "--clear", self.folder], check=True)
        install = ["pip", "install", "-qq", "-e", ".[test]", "-c", self.constraints]
        for command in (install, ["compileall", "-q", "provider"]):
            subprocess.run([self.folder / "bin" / "python", "-m", *command], cwd=ROOT, check=True)
        stamp.touch()

    def run(self, workers: str, more: list[str]) -> bool:
        """Run the tests and tell whether they passed."""
        command = [self.folder / "bin" / "python", "-m", "pytest", "-q", "-n", workers, "--dist", "loadgroup"]
        command += ["-W", "default"]  # what Airflow itself is warned of there; `make test` takes warnings for errors
        command += more or [f"--junitxml={self.results}"]  # what is run in part is no result
        command += [f"tests/{name}" for name in TESTS]
        return subprocess.run(command, cwd=ROOT).returncode == 0

    def row(self) -> tuple[str, ...]:
        """Return the last results as cells of the table."""
        suite = next(ET.parse(self.results).iter("testsuite"))
        count = {name: int(suite.attrib[name]) for name in ("tests", "skipped", "failures", "errors")}
        failed = count["failures"] + count["errors"]
        passed = count["tests"] - count["skipped"] - failed
        minutes, day = float(suite.attrib["time"]) / 60, suite.attrib["timestamp"][:10]
        return self.python, self.airflow, str(passed), str(count["skipped"]), str(failed), f"{minutes:.0f}", day

    def reasons(self) -> set[str]:
        """Return why tests were skipped."""
        return {found.attrib["message"] for found in ET.parse(self.results).iter("skipped")}


CELLS = {cell.name: cell for cell in (Cell(*both) for both in product(PYTHONS, CONSTRAINTS))}


def table() -> Table:
    """Return the last results of all cells that have any."""
    ran = [cell for cell in CELLS.values() if cell.results.exists()]
    where: dict[str, list[str]] = {}
    for cell in ran:
        for reason in sorted(cell.reasons()):
            where.setdefault(reason, []).append(cell.name)
    notes = [f"- skipped in {', '.join(names)}: {reason}" for reason, names in where.items()]
    return Table(COLUMNS, [cell.row() for cell in ran], notes)


def main() -> int:
    """Return 0 when the tests passed in every cell; a Python that is missing fails in CI only."""
    parser = argparse.ArgumentParser(prog="python -m tests.matrix")
    parser.add_argument("cell", nargs="*", help=f"which to run, by default all: {', '.join(CELLS)}")
    parser.add_argument("--workers", default="2", help="of pytest (default: %(default)s)")
    parser.add_argument("--pytest", default="", metavar="ARGUMENTS", help="more arguments of pytest, such as '-k name'")
    parser.add_argument("--write", action="store_true", help="put the last results into docs/versions.md")
    options = parser.parse_args()
    if unknown := sorted(set(options.cell) - set(CELLS)):
        parser.error(f"no cell is called {unknown[0]}")
    chosen = [CELLS[name] for name in options.cell or CELLS]
    failed, missing = [], []
    for cell in chosen:
        if interpreter := cell.interpreter():
            cell.install(interpreter)
            print(f"{cell.name}: Airflow {cell.airflow}", flush=True)
            failed += [] if cell.run(options.workers, shlex.split(options.pytest)) else [cell.name]
        else:
            print(f"{cell.name}: skipped, no Python {cell.python} with venv is on the PATH", flush=True)
            missing.append(cell.name)
    print(f"\n{table().text()}", flush=True)
    if options.write:
        PAGE.write_text(with_results(PAGE.read_text("utf-8"), "matrix", table()), "utf-8")
    for name in failed:
        print(f"failed: {name}", file=sys.stderr)
    in_vain = len(missing) == len(chosen) or (missing and os.environ.get("CI") == "true")
    return 1 if failed or in_vain else 0


if __name__ == "__main__":
    sys.exit(main())
