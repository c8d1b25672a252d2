"""Airflow's services as processes of their own, each in its own process group, so that stopping leaves none behind."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil

REPOSITORY = Path(__file__).parents[2]
SERVICES = ("api-server", "scheduler", "dag-processor", "triggerer")


class StartError(RuntimeError):
    """A service ended, or did not become healthy in time."""


def python(*arguments: str, **settings: str) -> str:
    """Run a fresh Python and return what it printed."""
    command = [sys.executable, *arguments]
    done = subprocess.run(command, cwd=REPOSITORY, env={**os.environ, **settings}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def free_port(preferred: int = 0) -> int:
    """Return a free loopback port, the preferred one where that is free."""
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", preferred))
        except OSError:
            probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def group(
    arguments: Sequence[str], settings: Mapping[str, str], log: Path, **options: Any
) -> contextlib.AbstractContextManager[Any]:
    """Run ``python -m ...`` in a process group of its own until the block ends; see :func:`command`."""
    return command([sys.executable, "-m", *arguments], settings, log, **options)


@contextlib.contextmanager
def command(words: Sequence[str], settings: Mapping[str, str], log: Path, **options: Any) -> Iterator[Any]:
    """Run a command in a process group of its own until the block ends.

    :param settings: set in the environment, over this process's own
    :param log: collects what it prints
    """
    with log.open("wb") as output:
        process = subprocess.Popen(
            words,
            cwd=REPOSITORY,
            env={**os.environ, "PYTHONUNBUFFERED": "1", **settings},
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            **options,
        )
    try:
        yield process
    finally:
        stop(process)


def prepare(settings: Mapping[str, str], log: Path, connections: Mapping[str, Any]) -> None:
    """Create the metadata database and these connections in it."""
    with group(["tests.demo.runner"], settings, log, stdin=subprocess.PIPE) as process:
        process.communicate(json.dumps(connections).encode())
    if process.returncode:
        raise StartError(tail(log))


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a process and everything in its group, politely first, and what it started in groups of their own."""
    started = _tree(process.pid)
    for sign in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, sign)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=8)
            if not _group_lives(process.pid):
                break
    for each in started:
        with contextlib.suppress(psutil.NoSuchProcess):
            each.kill()
    if process.stdin:
        process.stdin.close()


def kill_group(process: subprocess.Popen[bytes]) -> None:
    """Kill at once what a killed process left of its group."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def kill_tree(process: subprocess.Popen[bytes]) -> None:
    """Kill a process and all that it started at once, as a machine does that loses its power."""
    for each in _tree(process.pid, hold=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            each.kill()
    process.wait()


def _tree(process_id: int, *, hold: bool = False) -> list[psutil.Process]:
    """Return a process and all that it started, also in groups of their own, as Airflow does with tasks.

    :param hold: stop each at once, so that it cannot start another meanwhile
    """
    found: list[psutil.Process] = []
    with contextlib.suppress(psutil.NoSuchProcess):
        found.append(psutil.Process(process_id))
    for process in found:
        with contextlib.suppress(psutil.NoSuchProcess):
            if hold:
                process.suspend()
            found += process.children()
    return found


def _group_lives(group_id: int) -> bool:
    for _ in range(20):
        try:
            os.killpg(group_id, 0)
        except (ProcessLookupError, PermissionError):
            return False
        time.sleep(0.1)
    return True


@contextlib.contextmanager
def airflow(
    settings: Mapping[str, str],
    logs: Path,
    *,
    port: int,
    parallelism: int = 2,
    services: Sequence[str] = SERVICES,
) -> Iterator[dict[str, Any]]:
    """Run Airflow's services, healthy when the block begins, until it ends.

    :param settings: as :func:`tests.support.airflow_home.settings` returns them; the database is there already
    :param logs: folder for a log of each service
    :param port: port of the API server
    :param parallelism: how many tasks run at once
    :param services: which of them, the API server among them
    """
    url = f"http://127.0.0.1:{port}"
    settings = {
        **settings,
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{url}/execution/",
        "AIRFLOW__CORE__PARALLELISM": str(parallelism),
        "AIRFLOW__API__WORKERS": "1",
        "AIRFLOW__API__BASE_URL": url,
        "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_SEC": "5",
        "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "10",
    }
    flags = {
        "api-server": ["--host", "127.0.0.1", "--port", str(port)],
        # Without these, servers for logs would listen at fixed ports of every interface
        "scheduler": ["--skip-serve-logs"],
        "triggerer": ["--skip-serve-logs"],
    }
    with contextlib.ExitStack() as stack:
        running = {
            name: stack.enter_context(
                group(["airflow", name, *flags.get(name, ())], settings, logs / f"{name}.log", stdin=subprocess.DEVNULL)
            )
            for name in services
        }
        _wait_until_healthy(url, running, logs)
        yield running


def triggerer(settings: Mapping[str, str], logs: Path, *, port: int) -> contextlib.AbstractContextManager[Any]:
    """Run another triggerer beside the services that :func:`airflow` runs, for one that was killed."""
    return beside(["triggerer"], settings, logs / "triggerer-2.log", port=port)


def worker(
    name: str, settings: Mapping[str, str], logs: Path, *, port: int
) -> contextlib.AbstractContextManager[subprocess.Popen[bytes]]:
    """Run a Celery worker beside the services that :func:`airflow` runs."""
    return beside(["celery", "worker", "--celery-hostname", name], settings, logs / f"{name}.log", port=port)


def beside(
    words: Sequence[str], settings: Mapping[str, str], log: Path, *, port: int
) -> contextlib.AbstractContextManager[subprocess.Popen[bytes]]:
    """Run a further process of the Airflow whose API server has this port."""
    settings = {**settings, "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{port}/execution/"}
    return group(["airflow", *words, "--skip-serve-logs"], settings, log, stdin=subprocess.DEVNULL)


def _wait_until_healthy(url: str, running: Mapping[str, subprocess.Popen[bytes]], logs: Path) -> None:
    deadline = time.monotonic() + 120
    while not _healthy(url, running):
        for name, process in running.items():
            if process.poll() is not None:
                raise StartError(f"{name} ended:\n{tail(logs / f'{name}.log')}")
        if time.monotonic() > deadline:
            raise StartError("Airflow is not healthy after two minutes:\n" + tail(logs / "api-server.log"))
        time.sleep(0.3)


def _healthy(url: str, services: Iterable[str]) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/api/v2/monitor/health", timeout=5) as answer:
            states = json.load(answer)
    except (OSError, ValueError):
        return False
    parts = {"metadatabase", *(name.replace("-", "_") for name in services)} - {"api_server"}
    return all((states.get(part) or {}).get("status") == "healthy" for part in parts)


def tail(log: Path, lines: int = 60) -> str:
    """Return the end of a log."""
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])
