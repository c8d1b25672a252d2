"""Presigned links a second beside the vendors' SDKs: one by one through the hook, in bulk, and a million into a file.

Processor time is measured, not the clock's, so that another process on the machine counts as little as possible.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from itertools import product
from pathlib import Path
from statistics import median
from time import process_time
from typing import Any
from unittest.mock import patch

from tests.benchmarks.machine import describe
from tests.benchmarks.table import Table

TITLE = "Presigned links"
ROUNDS = 11
MILLION = 1_000_000
MEMORY_LIMIT = 8.0
LIFETIME = 600
KEYS = {
    "ASCII": "exports/2026/11/20/part-{:07d}.parquet",
    "Unicode": "\u5bfc\u51fa/2026\u5e7411\u670820\u65e5/\u62a5\u544a {:07d}.parquet",
}
CONNECTIONS: Mapping[str, Mapping[str, Any]] = {
    "bos": {"schema": "examplebucket", "extra": {"vendor": "bos", "region": "bj"}},
    "oss": {"schema": "examplebucket", "extra": {"vendor": "oss", "region": "cn-hangzhou"}},
    "cos": {"schema": "examplebucket-1250000000", "extra": {"vendor": "cos", "region": "ap-guangzhou"}},
}
DISTRIBUTIONS = ("bce-python-sdk", "alibabacloud-oss-v2", "cos-python-sdk-v5")
GOALS = {"one by one": {"ASCII": 5.0, "Unicode": 5.0}, "in bulk": {"ASCII": 15.0, "Unicode": 10.0}}
# How many keys of a round each way gets, so that all of them take about as long.
SHARE = {"SDK": 400, "one by one": 4_000, "in bulk": 10_000}
MANIFESTS = (("bos", "ASCII", "csv"), ("oss", "Unicode", "csv"), ("cos", "Unicode", "jsonl"))
Work = Callable[[Sequence[str]], object]
# Run in a fresh process; memory is what is resident, looked at every 10,000 keys, over a manifest of 1,000 links.
CHILD = """
import json, sys, time
import psutil
from aksk_provider.hooks.object_storage import ObjectStorageHook
vendor, target, key, count = sys.argv[1:]
memory = psutil.Process().memory_info
seen = []
def keys(count):
    for number in range(count):
        if number % 10_000 == 0:
            seen.append(memory().rss)
        yield key.format(number)
hook = ObjectStorageHook(f"bench_{vendor}")
hook.write_manifest(target, keys(1000))
before, start = memory().rss, time.process_time()
manifest = hook.write_manifest(target, keys(int(count)))
seen.append(memory().rss)
seconds, growth = time.process_time() - start, (max(seen) - before) / 1024**2
print(json.dumps({"count": manifest.count, "seconds": seconds, "growth": growth}))
"""


@contextmanager
def connections() -> Iterator[None]:
    """Put a connection for each vendor into the environment, where Airflow finds it without a database."""
    pair = {"conn_type": "aksk", "login": "AKIDEXAMPLE0000000000", "password": "SECRETKEYEXAMPLE00000000000000"}
    variables = {f"AIRFLOW_CONN_BENCH_{name.upper()}": json.dumps(pair | c) for name, c in CONNECTIONS.items()}
    with patch.dict(os.environ, variables):
        yield


def sdks() -> dict[str, Callable[[str], object]]:
    """Return the quickest documented way to presign of each vendor's SDK."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import alibabacloud_oss_v2 as oss
        from baidubce.auth.bce_credentials import BceCredentials
        from baidubce.bce_client_configuration import BceClientConfiguration
        from baidubce.services.bos.bos_client import BosClient
        from qcloud_cos import CosConfig, CosS3Client

    pair = "AKIDEXAMPLE0000000000", "SECRETKEYEXAMPLE00000000000000"
    bos_client = BosClient(BceClientConfiguration(BceCredentials(*pair), "https://bj.bcebos.com"))
    config = oss.config.load_default()
    config.credentials_provider, config.region = oss.credentials.StaticCredentialsProvider(*pair), "cn-hangzhou"
    oss_client, lifetime = oss.Client(config), timedelta(seconds=LIFETIME)
    cos_client = CosS3Client(CosConfig(Region="ap-guangzhou", SecretId=pair[0], SecretKey=pair[1]))
    bucket = {name: connection["schema"] for name, connection in CONNECTIONS.items()}
    return {
        "bos": lambda key: bos_client.generate_pre_signed_url(bucket["bos"], key, expiration_in_seconds=LIFETIME),
        "oss": lambda key: oss_client.presign(oss.GetObjectRequest(bucket["oss"], key), expires=lifetime),
        "cos": lambda key: cos_client.get_presigned_url(bucket["cos"], key, "GET", LIFETIME),
    }


def ways() -> dict[tuple[str, str], Work]:
    """Return, by vendor and way, what presigns a list of keys and drops the links."""
    from aksk_provider.hooks.object_storage import ObjectStorageHook

    lifetime = timedelta(seconds=LIFETIME)

    def one_by_one(presign: Callable[..., object], **options: object) -> Work:
        def work(keys: Sequence[str]) -> None:
            for key in keys:
                presign(key, **options)

        return work

    def in_bulk(hook: ObjectStorageHook) -> Work:
        return lambda keys: deque(hook.presign_many(keys, expires_in=lifetime), maxlen=0)

    found: dict[tuple[str, str], Work] = {}
    for vendor, of_sdk in sdks().items():
        hook = ObjectStorageHook(f"bench_{vendor}")
        found[vendor, "SDK"] = one_by_one(of_sdk)
        found[vendor, "one by one"] = one_by_one(hook.presign, expires_in=lifetime)
        found[vendor, "in bulk"] = in_bulk(hook)
    return found


def rates(rounds: int = ROUNDS) -> dict[tuple[str, str, str], float]:
    """Return links a second of processor time by vendor, way and keys: medians of rounds in which all take turns."""
    seconds: dict[tuple[str, str, str], list[float]] = {}
    with connections():
        works = ways()
        for turn in range(rounds + 1):
            for (vendor, way), (kind, pattern) in product(works, KEYS.items()):
                keys = [pattern.format(turn * SHARE["in bulk"] + number) for number in range(SHARE[way])]
                start = process_time()
                works[vendor, way](keys)
                if turn:  # the round before the first loads modules and connections
                    seconds.setdefault((vendor, way, kind), []).append((process_time() - start) / len(keys))
    return {case: 1 / median(found) for case, found in seconds.items()}


def manifest(vendor: str, kind: str, ending: str, count: int = MILLION) -> dict[str, float]:
    """Write a manifest in a process of its own; return count, seconds of processor time and growth in MiB."""
    with tempfile.TemporaryDirectory() as folder, connections():
        command = [sys.executable, "-W", "ignore", "-c", CHILD, vendor, str(Path(folder, f"links.{ending}"))]
        environment = os.environ | {"AIRFLOW_HOME": folder, "AIRFLOW__CORE__LOAD_EXAMPLES": "False"}
        done = subprocess.run(
            [*command, KEYS[kind], str(count)],
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
            timeout=300,
        )
    said: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return said


def run() -> Table:
    """Measure every way in turn, round by round, and then the manifests."""
    found = rates()
    rows, missed = [], []
    for vendor, kind in product(CONNECTIONS, KEYS):
        sdk = found[vendor, "SDK", kind]
        cells = [f"{vendor}, {kind} keys", f"{sdk:,.0f}"]
        for way, goals in GOALS.items():
            rate = found[vendor, way, kind]
            cells += [f"{rate:,.0f}", f"{rate / sdk:.1f} x"]
            if rate < sdk * goals[kind]:
                missed.append(
                    f"{vendor}, {kind} keys, {way}: {rate / sdk:.1f} x the SDK, the goal is {goals[kind]:.0f} x"
                )
        rows.append(cells)
    told = []
    for vendor, kind, ending in MANIFESTS:
        made = manifest(vendor, kind, ending)
        told.append(
            f"{made['count']:,} links of {vendor} to a {ending} manifest ({kind} keys): {made['seconds']:.1f} s, "
            f"{made['growth']:.1f} MiB over one of 1,000."
        )
        if made["growth"] > MEMORY_LIMIT:
            missed.append(f"a manifest grew by {made['growth']:.1f} MiB, the goal is at most {MEMORY_LIMIT:.0f} MiB")
    return Table(
        columns=("links a second", "vendor's SDK", "hook, one by one", "to SDK", "hook, in bulk", "to SDK"),
        rows=rows,
        notes=[
            f"Medians of {ROUNDS} rounds in which all take turns; one thread, seconds of processor time.",
            *told,
            describe(*DISTRIBUTIONS),
        ],
        missed=missed,
    )
