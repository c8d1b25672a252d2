"""Waits with many triggers in one event loop: ``python -m tests.benchmarks.waiting_client KIND COUNT SECONDS PORT``.

The triggers are made and run as Airflow's triggerer does it. Prints what it cost as JSON.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import sys
import time
from typing import Any
from urllib.request import ProxyHandler, build_opener

import psutil

INTERVAL = 5.0
OPENER = build_opener(ProxyHandler({}))


def ours(number: int, pattern: str = "incoming/{}/part.csv") -> Any:
    from aksk_provider.triggers.waiting import WaitTrigger

    condition = {"kind": "Keys", "keys": [pattern.format(number)], "bucket": "waiting"}
    return WaitTrigger(condition=condition, aksk_conn_id="aksk_default", poke_interval=INTERVAL)


def ours_shared(number: int) -> Any:
    return ours(number, "incoming/*-{}.csv")


def amazon(number: int) -> Any:
    from airflow.providers.amazon.aws.triggers.s3 import S3KeyTrigger

    return S3KeyTrigger(
        bucket_name="waiting",
        bucket_key=f"incoming/{number}/part.csv",
        aws_conn_id="aws_default",
        poke_interval=INTERVAL,
    )


KINDS = {"ours": ours, "ours_shared": ours_shared, "amazon": amazon}


def connect(port: str) -> None:
    """Put the connections into the environment before Airflow is imported."""
    host = f"http://127.0.0.1:{port}"
    aksk = {"vendor": "oss", "region": "cn-hangzhou", "addressing": "path"}
    fields = {"conn_type": "aksk", "host": host, "login": "ak", "password": "sk"}
    os.environ["AIRFLOW_CONN_AKSK_DEFAULT"] = json.dumps(fields | {"extra": aksk})
    aws = {"endpoint_url": host, "region_name": "us-east-1", "config_kwargs": {"s3": {"addressing_style": "path"}}}
    fields = {"conn_type": "aws", "login": "ak", "password": "sk"}
    os.environ["AIRFLOW_CONN_AWS_DEFAULT"] = json.dumps(fields | {"extra": aws})
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1"


def requests(port: str, what: str = "count") -> int:
    """Return how many requests the store had, or for how many ``paths``."""
    return int(OPENER.open(f"http://127.0.0.1:{port}/-/{what}", timeout=60).read())


async def run(trigger: Any) -> None:
    async for event in trigger.run():
        raise AssertionError(f"nothing is there, and it fired: {event}")


async def lags(found: list[float]) -> None:
    """Note how late the event loop wakes what sleeps 50 ms."""
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + 0.05
        await asyncio.sleep(0.05)
        found.append(loop.time() - due)


def p99(values: list[float]) -> float:
    return sorted(values)[int(len(values) * 0.99)]


async def measure(kind: str, count: int, seconds: float, port: str) -> dict[str, float]:
    make, process = KINDS[kind], psutil.Process()
    first = asyncio.ensure_future(run(make(-1)))  # imports, and the first client
    before = requests(port)
    while requests(port) == before:
        await asyncio.sleep(0.2)
        if first.done():
            first.result()
    await asyncio.sleep(0.5)
    gc.collect()  # what the imports left is not the triggers' to pay for
    late: list[float] = []
    watching = asyncio.ensure_future(lags(late))
    idle, cpu, asked, began = process.memory_info().rss, time.process_time(), requests(port), time.monotonic()
    running = [asyncio.ensure_future(run(make(number))) for number in range(count)]
    paths = 1 if kind == "ours_shared" else count + 1
    while time.monotonic() - began < INTERVAL * 1.2 or requests(port, "paths") < paths:  # noqa: ASYNC110
        await asyncio.sleep(0.2)
    start_cpu, start_polls, starting = time.process_time() - cpu, requests(port) - asked, p99(late)
    late.clear()
    cpu, asked, began = time.process_time(), requests(port), time.monotonic()
    await asyncio.sleep(seconds)
    polls, took = requests(port) - asked, time.monotonic() - began
    spent, steady = time.process_time() - cpu, p99(late)
    memory = process.memory_info().rss - idle
    poll = spent / max(polls, 1)
    watching.cancel()
    for task in [first, *running]:
        if task.done():
            task.result()
        task.cancel()
    await asyncio.gather(first, *running, watching, return_exceptions=True)
    return {
        "start_ms": max(start_cpu - start_polls * poll, 0) / count * 1e3, "poll_ms": poll * 1e3, "cpu": spent / took,
        "kb": memory / count / 1024, "mb": memory / 1e6, "per_minute": polls / took * 60,
        "lag_ms": steady * 1e3, "start_lag_ms": starting * 1e3,
    }  # fmt: skip


if __name__ == "__main__":
    kind, count, seconds, port = sys.argv[1:]
    connect(port)
    print(json.dumps(asyncio.run(measure(kind, int(count), float(seconds), port))))
