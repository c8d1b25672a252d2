"""What importing hook, operators and sensors costs over ``airflow.sdk``, beside the providers of Amazon and Alibaba.

Every DAG file pays it whenever it is parsed, and every task when it starts.
"""

from __future__ import annotations

import compileall
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median

from tests.benchmarks.machine import describe
from tests.benchmarks.table import Table

TITLE = "Import cost"
ROUNDS = 15
LIMIT_MS = 30.0
LIMIT_MB = 6.0
OURS = "this provider"
AMAZON = "Amazon S3"
ALIBABA = "Alibaba OSS"
CASES: Mapping[str, Sequence[str]] = {
    OURS: ("aksk_provider.hooks.object_storage", "aksk_provider.operators", "aksk_provider.sensors"),
    f"{OURS}, with the store that the first call loads": (
        "aksk_provider.hooks.object_storage",
        "aksk_provider.operators",
        "aksk_provider.sensors",
        "aksk_provider.hooks.connection",
        "aksk_provider.storage",
    ),
    AMAZON: (
        "airflow.providers.amazon.aws.hooks.s3",
        "airflow.providers.amazon.aws.operators.s3",
        "airflow.providers.amazon.aws.sensors.s3",
    ),
    ALIBABA: (
        "airflow.providers.alibaba.cloud.hooks.oss",
        "airflow.providers.alibaba.cloud.operators.oss",
        "airflow.providers.alibaba.cloud.sensors.oss_key",
    ),
}
# Run in a fresh process with the modules as arguments; the collector is off since when it runs is chance.
CHILD = """
import gc, importlib, json, sys, time
import psutil
gc.disable()
memory = psutil.Process().memory_info
start = time.perf_counter()
import airflow.sdk
sdk, resident = time.perf_counter(), memory().rss
before = set(sys.modules)
try:
    for name in sys.argv[1:]:
        importlib.import_module(name)
except ModuleNotFoundError as error:
    print(json.dumps({"missing": error.name}))
else:
    end = time.perf_counter()
    print(json.dumps({
        "sdk": sdk - start, "sdk_memory": resident, "time": end - sdk, "memory": memory().rss - resident,
        "modules": sorted(set(sys.modules) - before),
    }))
"""


def measure(modules: Sequence[str], home: str) -> dict[str, object]:
    """Import ``airflow.sdk`` and then the modules in a fresh process, and return seconds, bytes and module names."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW_", "PYTEST_"))}
    environment = kept | {"AIRFLOW_HOME": home, "AIRFLOW__CORE__LOAD_EXAMPLES": "False"}
    command = [sys.executable, "-W", "ignore", "-c", CHILD, *modules]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True, timeout=120)
    said: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
    return said


def run() -> Table:
    """Measure every case in turn, round by round, so that a slow moment of the machine meets all of them."""
    import aksk_provider

    compileall.compile_dir(Path(aksk_provider.__file__).parent, quiet=1)
    found: dict[str, list[dict[str, object]]] = {}
    with tempfile.TemporaryDirectory() as home:
        installed = {name: modules for name, modules in CASES.items() if "missing" not in measure(modules, home)}
        for _ in range(ROUNDS):
            for name, modules in installed.items():
                found.setdefault(name, []).append(measure(modules, home))

    def middle(name: str, what: str, unit: float) -> float:
        return median(float(sample[what]) * unit for sample in found[name])  # type: ignore[arg-type]

    milliseconds = {name: middle(name, "time", 1e3) for name in found}
    megabytes = {name: middle(name, "memory", 1e-6) for name in found}
    rows = [
        (
            name,
            f"{milliseconds[name]:.1f}",
            f"{milliseconds[name] / milliseconds[OURS]:.1f} x",
            f"{megabytes[name]:.1f}",
            str(len(found[name][0]["modules"])),  # type: ignore[arg-type]
        )
        if name in found
        else (name, "not installed", "", "", "")
        for name in CASES
    ]
    ours = milliseconds[OURS], megabytes[OURS]
    return Table(
        columns=("over `airflow.sdk`", "ms", "to ours", "MB", "modules"),
        rows=rows,
        notes=[
            f"Medians of {ROUNDS} fresh processes each, in turn; bytecode compiled; memory is resident memory.",
            f"`airflow.sdk` itself: {middle(OURS, 'sdk', 1e3):.0f} ms, {middle(OURS, 'sdk_memory', 1e-6):.0f} MB.",
            describe("apache-airflow", "apache-airflow-providers-amazon", "apache-airflow-providers-alibaba"),
        ],
        missed=[
            f"import cost: {value:.1f} {unit}, the goal is at most {limit:.0f} {unit}"
            for value, limit, unit in zip(ours, (LIMIT_MS, LIMIT_MB), ("ms", "MB"), strict=True)
            if value > limit
        ],
    )
