"""The clients that are compared, each in a process of its own.

``python -m tests.benchmarks.transfer_clients NAME URL``: a client gets and puts files, and reads and writes small
objects in memory. The process loads it, says so, and then performs what it is told, one JSON line each way: a method,
its arguments and how often; seconds, CPU seconds and the peak of memory over what was resident after the first
command, which warms it up.
"""

from __future__ import annotations

import http.client
import importlib
import json
import os
import resource
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

KEYS = "accesskey", "secretkey"
REGIONS = {"bos": "bj", "oss": "cn-hangzhou", "cos": "ap-guangzhou"}
BUCKETS = {"bos": "examplebucket", "oss": "examplebucket", "cos": "examplebucket-1250000000"}
MIB = 1024**2


class Ours:
    """This provider.

    :param vendor: whose protocol
    :param concurrency: parts at once, by default what users get
    """

    def __init__(self, url: str, vendor: str, concurrency: int | None = None) -> None:
        from aksk_provider.signing import Credentials
        from aksk_provider.storage import ObjectStore, transfer
        from aksk_provider.storage.config import resolve
        from aksk_provider.storage.credentials import static

        config = resolve(
            vendor=vendor,
            credentials=static(Credentials(*KEYS)),
            endpoint=url,
            region=REGIONS[vendor],
            bucket=BUCKETS[vendor],
        )
        self._transfer = transfer
        self._store = ObjectStore(config)
        given = {"concurrency": concurrency, "threshold": 2**50 if concurrency == 1 else None}
        self._options = transfer.TransferOptions(**{name: value for name, value in given.items() if value})

    def get(self, key: str, path: str) -> None:
        self._transfer.download(self._store, key, path, options=self._options)

    def put(self, path: str, key: str) -> None:
        self._transfer.upload(self._store, path, key, options=self._options)

    def read(self, key: str) -> bytes:
        with self._transfer.ObjectReader(self._store, key, None) as reader:
            return reader.read()

    def write(self, key: str, content: bytes) -> None:
        self._transfer.upload(self._store, content, key)

    def get_all(self, key: str, folder: str, count: int) -> None:
        info = self._store.head(key)
        objects = [(info, f"{number}") for number in range(count)]
        self._transfer.download_many(self._store, objects, folder, options=self._transfer.ManyOptions(workers=16))

    def put_all(self, path: str, key: str, count: int) -> None:
        sources = [(Path(path), f"{number}/{key}") for number in range(count)]
        self._transfer.upload_many(self._store, sources, "", options=self._transfer.ManyOptions(workers=16))


class Loop:
    """What many files are with a client that knows only one."""

    get: Callable[[str, str], object]
    put: Callable[[str, str], object]

    def get_all(self, key: str, folder: str, count: int) -> None:
        for number in range(count):
            self.get(key, f"{folder}/{number}")

    def put_all(self, path: str, key: str, count: int) -> None:
        for number in range(count):
            self.put(path, f"{number}/{key}")


class Ceiling:
    """The fastest that the standard library does in one stream: no checksum, no signature, no care."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        place = parts.hostname or "", parts.port
        if parts.scheme == "https":
            context = ssl.create_default_context(cafile=os.environ["SSL_CERT_FILE"])
            self._connection: http.client.HTTPConnection = http.client.HTTPSConnection(*place, context=context)
        else:
            self._connection = http.client.HTTPConnection(*place)
        self._buffer = memoryview(bytearray(MIB))

    def get(self, key: str, path: str) -> None:
        self._connection.request("GET", f"/{key}")
        response = self._connection.getresponse()
        with Path(path).open("wb", buffering=0) as file:
            while count := response.readinto(self._buffer):
                file.write(self._buffer[:count])

    def get_range(self, key: str, descriptor: int, start: int, end: int) -> None:
        self._connection.request("GET", f"/{key}", headers={"Range": f"bytes={start}-{end - 1}"})
        response = self._connection.getresponse()
        while count := response.readinto(self._buffer):
            os.pwrite(descriptor, self._buffer[:count], start)
            start += count

    def put(self, path: str, key: str) -> None:
        def blocks() -> Iterable[bytes]:
            with Path(path).open("rb", buffering=0) as file:
                while block := file.read(MIB // 4):
                    yield block

        length = {"Content-Length": str(Path(path).stat().st_size)}
        self._connection.request("PUT", f"/{key}", body=blocks(), headers=length)
        self._connection.getresponse().read()

    def read(self, key: str) -> bytes:
        self._connection.request("GET", f"/{key}")
        return self._connection.getresponse().read()

    def write(self, key: str, content: bytes) -> None:
        self._connection.request("PUT", f"/{key}", body=content)
        self._connection.getresponse().read()


class TwoRanges:
    """Two of these at once, each with half of the object: what ranges bring on this machine."""

    def __init__(self, url: str) -> None:
        self._lanes = Ceiling(url), Ceiling(url)

    def get(self, key: str, path: str) -> None:
        size = int(key.rpartition("-")[2])
        halves = (0, size // 2), (size // 2, size)
        with Path(path).open("wb", buffering=0) as file, ThreadPoolExecutor(2) as pool:
            lanes = zip(self._lanes, halves, strict=True)
            done = [pool.submit(lane.get_range, key, file.fileno(), *half) for lane, half in lanes]
            for future in done:
                future.result()


class Curl:
    """curl, whose own clock counts, so that starting it costs nothing."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._run("--version", "--output", os.devnull)

    def get(self, key: str, path: str) -> float:
        return float(self._run("--output", path, f"{self._url}/{key}"))

    def put(self, path: str, key: str) -> float:
        return float(self._run("--upload-file", path, "--output", os.devnull, f"{self._url}/{key}"))

    def _run(self, *arguments: str) -> str:
        certificate = ("--cacert", os.environ["SSL_CERT_FILE"])
        command = ["curl", "--silent", "--fail", "--noproxy", "*", *certificate, "--write-out", "%{time_total}"]
        return subprocess.run([*command, *arguments], check=True, capture_output=True, text=True).stdout.split()[-1]


class Oss(Loop):
    """alibabacloud-oss-v2."""

    def __init__(self, url: str) -> None:
        import alibabacloud_oss_v2 as oss

        config = oss.config.load_default()
        config.region, config.endpoint = REGIONS["oss"], url
        config.credentials_provider = oss.credentials.StaticCredentialsProvider(*KEYS)
        self._oss, self._client, self._bucket = oss, oss.Client(config), BUCKETS["oss"]

    def get(self, key: str, path: str) -> None:
        self._client.downloader().download_file(self._oss.GetObjectRequest(bucket=self._bucket, key=key), path)

    def put(self, path: str, key: str) -> None:
        self._client.uploader().upload_file(self._oss.PutObjectRequest(bucket=self._bucket, key=key), path)

    def read(self, key: str) -> bytes:
        with self._client.get_object(self._oss.GetObjectRequest(bucket=self._bucket, key=key)).body as body:
            return body.read()

    def write(self, key: str, content: bytes) -> None:
        self._client.put_object(self._oss.PutObjectRequest(bucket=self._bucket, key=key, body=content))

    def get_all(self, key: str, folder: str, count: int) -> None:
        for number in range(count):
            self._client.get_object_to_file(
                self._oss.GetObjectRequest(bucket=self._bucket, key=key), f"{folder}/{number}"
            )

    def put_all(self, path: str, key: str, count: int) -> None:
        for number in range(count):
            request = self._oss.PutObjectRequest(bucket=self._bucket, key=f"{number}/{key}")
            self._client.put_object_from_file(request, path)


class Cos(Loop):
    """cos-python-sdk-v5, without and with its checksum."""

    def __init__(self, url: str, checksum: bool = False) -> None:
        from qcloud_cos import CosConfig, CosS3Client

        parts = urlsplit(url)
        config = CosConfig(
            Region=REGIONS["cos"], SecretId=KEYS[0], SecretKey=KEYS[1], Scheme=parts.scheme, Domain=parts.netloc
        )
        self._client, self._place, self._checksum = CosS3Client(config), {"Bucket": BUCKETS["cos"]}, checksum

    def get(self, key: str, path: str) -> None:
        self._client.download_file(**self._place, Key=key, DestFilePath=path, EnableCRC=self._checksum)

    def put(self, path: str, key: str) -> None:
        self._client.upload_file(**self._place, Key=key, LocalFilePath=path)

    def read(self, key: str) -> bytes:
        return self._client.get_object(**self._place, Key=key)["Body"].get_raw_stream().read()

    def write(self, key: str, content: bytes) -> None:
        self._client.put_object(**self._place, Key=key, Body=content)

    def get_all(self, key: str, folder: str, count: int) -> None:
        for number in range(count):
            answer = self._client.get_object(**self._place, Key=key)
            answer["Body"].get_stream_to_file(f"{folder}/{number}")


class CosTuned(Cos):
    """cos-python-sdk-v5 with the parts and threads that were fastest for it."""

    def put(self, path: str, key: str) -> None:
        self._client.upload_file(**self._place, Key=key, LocalFilePath=path, PartSize=10, MAXThread=2)


class Bos(Loop):
    """bce-python-sdk; it checks no download."""

    def __init__(self, url: str) -> None:
        from baidubce.auth.bce_credentials import BceCredentials
        from baidubce.bce_client_configuration import BceClientConfiguration
        from baidubce.services.bos.bos_client import BosClient

        config = BceClientConfiguration(credentials=BceCredentials(*KEYS), endpoint=url, path_style_enable=True)
        self._client, self._bucket = BosClient(config), BUCKETS["bos"]

    def get(self, key: str, path: str) -> None:
        self._client.get_object_to_file(self._bucket, key, path)

    def put(self, path: str, key: str) -> None:
        self._client.put_object_from_file(self._bucket, key, path)

    def read(self, key: str) -> bytes:
        return self._client.get_object_as_string(self._bucket, key)

    def write(self, key: str, content: bytes) -> None:
        self._client.put_object_from_string(self._bucket, key, content)


class Hook(Loop):
    """The OSSHook of apache-airflow-providers-alibaba."""

    def __init__(self, url: str) -> None:
        extra = {
            "auth_type": "AK",
            "access_key_id": KEYS[0],
            "access_key_secret": KEYS[1],
            "region": REGIONS["oss"],
            "endpoint": url,
        }
        os.environ["AIRFLOW_CONN_OSS_DEFAULT"] = json.dumps({"conn_type": "oss", "extra": extra})
        from airflow.providers.alibaba.cloud.hooks.oss import OSSHook

        self._hook, self._place = OSSHook(), {"bucket_name": BUCKETS["oss"]}

    def get(self, key: str, path: str) -> None:
        if self._hook.download_file(**self._place, key=key, local_file=path) is None:
            raise RuntimeError("OSSHook downloaded nothing")

    def put(self, path: str, key: str) -> None:
        self._hook.upload_local_file(**self._place, key=key, file=path)

    def read(self, key: str) -> bytes:
        return self._hook.read_key(**self._place, key=key).encode()

    def write(self, key: str, content: bytes) -> None:
        self._hook.load_string(**self._place, key=key, content=content.decode())


CLIENTS: dict[str, tuple[str, Callable[[str], Any]]] = {
    "ours oss": ("requests", lambda url: Ours(url, "oss")),
    "ours oss, one stream": ("requests", lambda url: Ours(url, "oss", 1)),
    "ours cos": ("requests", lambda url: Ours(url, "cos")),
    "ours bos": ("requests", lambda url: Ours(url, "bos")),
    "http.client": ("http.client", Ceiling),
    "http.client, two ranges": ("http.client", TwoRanges),
    "curl": ("subprocess", Curl),
    "oss sdk": ("alibabacloud_oss_v2", Oss),
    "cos sdk": ("qcloud_cos", Cos),
    "cos sdk, crc": ("qcloud_cos", lambda url: Cos(url, checksum=True)),
    "cos sdk, tuned": ("qcloud_cos", CosTuned),
    "bos sdk": ("baidubce", Bos),
    "OSSHook": ("airflow.providers.alibaba", Hook),
}


def resident(name: str) -> int:
    """Return VmRSS or VmHWM of this process in bytes."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    raise KeyError(name)


def cpu_seconds() -> float:
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in used)


def perform(client: Any, method: str, arguments: list[Any], times: int, idle: int) -> dict[str, float]:
    if method == "write":
        arguments = [arguments[0], Path(arguments[1]).read_bytes()]
    work = getattr(client, method)
    Path("/proc/self/clear_refs").write_text("5")
    cpu, began = cpu_seconds(), time.perf_counter()
    told = None
    for _ in range(times):
        told = work(*arguments)
    seconds = time.perf_counter() - began
    return {
        "seconds": told if isinstance(told, float) else seconds,
        "cpu": cpu_seconds() - cpu,
        "peak": max(0, resident("VmHWM") - idle),
    }


def main() -> None:
    name, url = sys.argv[1:]
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    module, make = CLIENTS[name]
    try:
        importlib.import_module(module)
    except ModuleNotFoundError:
        answers.write(json.dumps({"missing": module}) + "\n")
        return
    client = make(url)
    answers.write("{}\n")
    idle = 0
    for line in sys.stdin:
        method, arguments, times = json.loads(line)
        try:
            answers.write(json.dumps(perform(client, method, arguments, times, idle)) + "\n")
        except Exception as error:  # noqa: BLE001 - told to the parent
            answers.write(json.dumps({"error": repr(error)[:200]}) + "\n")
        idle = idle or resident("VmRSS")


if __name__ == "__main__":
    main()
