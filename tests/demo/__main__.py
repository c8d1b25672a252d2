"""``python -m tests.demo``: run the tour for the three clouds; ``--serve``: leave Airflow's UI open instead."""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from aksk_provider.emulator import Account, Bucket, Emulator
from tests.demo.table import table
from tests.support import airflow_home, processes

DAGS = processes.REPOSITORY / "dags"
TOUR = DAGS / "object_storage_tour.py"
PERMANENT = Account("demo-access-key", "demo-secret-key")
TEMPORARY = Account("demo-temporary-access-key", "demo-temporary-secret-key", token="demo-security-token/+=")
BUCKETS = {
    "bos": Bucket("bos", "demo-bos"),
    "oss": Bucket("oss", "demo-oss"),
    "cos": Bucket("cos", "demo-cos-1250000000"),
}
CLOUDS = {
    "aksk_bos": ("Baidu BOS", "bos", "bj", PERMANENT),
    "aksk_oss": ("Alibaba OSS", "oss", "cn-hangzhou", PERMANENT),
    "aksk_cos": ("Tencent COS", "cos", "ap-guangzhou", TEMPORARY),
}


def main() -> int:
    """Return 0 when every run of the tour succeeded."""
    parser = argparse.ArgumentParser(prog="python -m tests.demo", description=__doc__)
    parser.add_argument("--serve", action="store_true", help="start Airflow with its UI and stay until Ctrl-C")
    parser.add_argument("--port", type=int, default=8080, help="port of the UI (default: %(default)s or a free one)")
    options = parser.parse_args()
    for sign in (signal.SIGINT, signal.SIGTERM):
        signal.signal(sign, interrupt)
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="aksk-demo-", ignore_cleanup_errors=True)))
        store = Emulator(accounts=[PERMANENT, TEMPORARY], buckets=BUCKETS.values(), data_dir=home / "store")
        stack.enter_context(store)
        print(f"A store that verifies every signature listens at {store.endpoint}", flush=True)
        settings = airflow_home.settings(home, DAGS)
        try:
            return serve(home, settings, store, options.port) if options.serve else tour(home, settings, store)
        except processes.StartError as error:
            print(error, file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            print("\nStopping", flush=True)
            return 0 if options.serve else 130


def interrupt(sign: int, _: object) -> None:
    """End the demo; once is enough, stopping must not be interrupted again."""
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, signal.SIG_IGN)
    if sign == signal.SIGTERM:
        sys.exit(143)
    raise KeyboardInterrupt


def connections(store: Emulator) -> dict[str, dict[str, Any]]:
    """Return the fields of a connection for each cloud."""
    return {
        conn_id: {
            "description": f"{title}, {'temporary' if account.token else 'permanent'} keys",
            "host": f"http://{store.host}",
            "port": store.port,
            "login": account.access_key,
            "password": account.secret_key,
            "schema": BUCKETS[vendor].name,
            "extra": json.dumps(
                {"vendor": vendor, "region": region} | ({"security_token": account.token} if account.token else {})
            ),
        }
        for conn_id, (title, vendor, region, account) in CLOUDS.items()
    }


def tour(home: Path, settings: Mapping[str, str], store: Emulator) -> int:
    """Run the DAG for each cloud and print what went through XCom."""
    print(f"Running {TOUR.relative_to(processes.REPOSITORY)} in an Airflow of its own, once for each cloud", flush=True)
    start, succeeded, log = time.monotonic(), 0, home / "runner.log"
    for result in runs(settings, connections(store), log):
        title, _, _, account = CLOUDS[result["conn_id"]]
        keys = "temporary keys with a token" if account.token else "permanent keys"
        told = f"connection {result['conn_id']}, {keys}: {result['state']} in {result['seconds']:.1f} s"
        print(f"\n{title}   {told}\n{table(result, home)}", flush=True)
        succeeded += result["state"] == "success" and checksums_agree(result)
    print(f"\n{succeeded} of {len(CLOUDS)} clouds, all in all {time.monotonic() - start:.0f} s", flush=True)
    if succeeded == len(CLOUDS):
        return 0
    print(f"The end of Airflow's log:\n{processes.tail(log, 200)}", file=sys.stderr)
    return 1


def checksums_agree(result: Mapping[str, Any]) -> bool:
    """Tell whether the files downloaded hold what was uploaded, and the link gave the same: the DAG's last word."""
    returned = {task["task_id"]: task["xcom"] for task in result["tasks"]}
    return bool(returned["compare"]) and returned["compare"][0] == returned["fetch"]


def runs(settings: Mapping[str, str], wanted: Mapping[str, Any], log: Path) -> Iterator[dict[str, Any]]:
    """Yield the result of each DAG run, as it ends."""
    reader, writer = os.pipe()
    command = ["tests.demo.runner", str(writer), str(TOUR)]
    with (
        os.fdopen(reader) as results,
        processes.group(command, settings, log, stdin=subprocess.PIPE, pass_fds=[writer]) as process,
    ):
        os.close(writer)
        process.stdin.write(json.dumps(wanted).encode())
        process.stdin.close()
        yield from map(json.loads, results)


def serve(home: Path, settings: Mapping[str, str], store: Emulator, port: int) -> int:
    """Run Airflow with its UI until Ctrl-C."""
    wanted = connections(store)
    wanted["aksk_default"] = wanted["aksk_oss"]
    port = processes.free_port(port)
    processes.prepare(settings, home / "runner.log", wanted)
    print("Starting Airflow: about 20 s", flush=True)
    settings = {**settings, "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False"}
    with processes.airflow(settings, home, port=port) as running:
        print(f"Airflow is at http://127.0.0.1:{port} (no login), its connections are {', '.join(wanted)}", flush=True)
        print("Trigger a DAG there; Ctrl-C stops everything", flush=True)
        while all(process.poll() is None for process in running.values()):
            time.sleep(1)
    ended = [name for name, process in running.items() if process.returncode]
    raise processes.StartError(f"ended by itself: {', '.join(ended)}\n{processes.tail(home / f'{ended[0]}.log')}")


if __name__ == "__main__":
    sys.exit(main())
