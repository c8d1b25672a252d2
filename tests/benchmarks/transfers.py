"""What the three benchmarks of transfers share: servers, clients and rounds.

A plain loopback server in a process of its own serves and discards; every client has a process of its own too. Each
round runs all clients, in an order of its own, so that a slow moment of the machine and what the one before left in its
caches meet all of them. Compared is the median of the rounds' ratios.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from fastcrc import crc64

from tests.benchmarks.machine import describe
from tests.benchmarks.table import Table
from tests.support.certificates import make_certificate

MIB = 1024**2
ROOT = Path(__file__).parent.parent.parent
SMALL = 10 * 1024
LATENCY_MS = 10
MEMORY_LIMIT = 8.0
SLOW = 4.0
RATE = 100
PACED = (f"https, {RATE} MiB/s a stream", "get")
ROUNDS_OF_THE_SLOW = 3
PACKAGES = (
    "requests",
    "urllib3",
    "fastcrc",
    "alibabacloud-oss-v2",
    "cos-python-sdk-v5",
    "bce-python-sdk",
    "apache-airflow-providers-alibaba",
)
SDKS = {"oss": "oss sdk", "cos": "cos sdk", "bos": "bos sdk"}
OURS = tuple(f"ours {vendor}" for vendor in SDKS)
PEERS = ("curl", "cos sdk", "oss sdk", "bos sdk", "OSSHook")
LARGE = {
    "get": ("ours oss, one stream", *OURS, "http.client", "http.client, two ranges", *PEERS, "cos sdk, crc"),
    "put": ("ours oss, one stream", *OURS, "http.client", *PEERS, "cos sdk, tuned"),
}
TINY = (*OURS, "http.client", *SDKS.values(), "OSSHook")


class UnavailableError(Exception):
    """A client that cannot be measured here, and why."""


@dataclass
class Samples:
    """What the rounds of one client gave."""

    seconds: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    peak: float = 0.0

    def ratio_to(self, peer: Samples) -> float:
        """Return how many times as fast as a peer it was, in the median of the rounds that both took part in."""
        return median(theirs / ours for ours, theirs in zip(self.seconds, peer.seconds, strict=False))

    def add(self, said: dict[str, float]) -> None:
        self.seconds.append(said["seconds"])
        self.cpu.append(said["cpu"])
        self.peak = max(self.peak, said["peak"])


@dataclass(frozen=True, slots=True)
class Goal:
    """A ratio, or a number of MiB, that must be reached."""

    what: str
    found: float
    wanted: float
    unit: str = "x"

    @property
    def missed(self) -> bool:
        return self.found > self.wanted if self.unit == "MiB" else self.found < self.wanted

    def cells(self) -> tuple[str, ...]:
        bound = "at most" if self.unit == "MiB" else "at least"
        shown = f"{self.found:.2f}" if self.wanted < 2 else f"{self.found:.1f}"
        return (
            self.what,
            f"{shown} {self.unit}",
            f"{bound} {self.wanted:g} {self.unit}",
            "missed" if self.missed else "",
        )


class Client:
    """The process of a client."""

    def __init__(self, name: str, url: str, certificate: Path) -> None:
        own = {"SSL_CERT_FILE": str(certificate), "REQUESTS_CA_BUNDLE": str(certificate), "NO_PROXY": "*"}
        own |= {"AIRFLOW_HOME": str(certificate.parent / "airflow"), "AIRFLOW__CORE__LOAD_EXAMPLES": "False"}
        self.name = name
        self._process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", "tests.benchmarks.transfer_clients", name, url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            cwd=ROOT,
            env=os.environ | own,
        )
        self._answer()

    def __call__(self, method: str, *arguments: object, times: int = 1) -> dict[str, float]:
        """Perform a method and return seconds, CPU seconds and peak memory."""
        assert self._process.stdin
        self._process.stdin.write(json.dumps([method, arguments, times]) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def close(self) -> None:
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait()

    def _answer(self) -> dict[str, float]:
        assert self._process.stdout
        line = self._process.stdout.readline()
        said: dict[str, Any] = json.loads(line) if line else {"error": "the process died"}
        for reason in ("missing", "error"):
            if reason in said:
                raise UnavailableError(f"{self.name}: {said[reason]}{' is not installed' * (reason == 'missing')}")
        return said


@dataclass(frozen=True, slots=True)
class Bench:
    """Where and how it runs.

    :param folder: for source and targets
    :param source: the file that is moved
    """

    folder: Path
    source: Path
    certificate: Path
    size: int
    rounds: int
    notes: list[str]

    def say(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)
            print(text, flush=True)

    @contextmanager
    def server(self, scheme: str = "http", latency: float = 0.0, rate: float = 0.0) -> Iterator[str]:
        """Give the URL of a server; latency in milliseconds, rate in MiB a second of each connection."""
        tls = ["--certificate", str(self.certificate)] if scheme == "https" else []
        command = [sys.executable, "-m", "tests.benchmarks.fast_server", str(self.source)]
        command += ["--latency", str(latency), "--rate", str(rate)]
        process = subprocess.Popen([*command, *tls], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT)
        assert process.stdin
        assert process.stdout
        try:
            yield f"{scheme}://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.stdin.close()
            process.wait()

    def clients(self, names: Sequence[str], url: str, stack: ExitStack, *warm: object, times: int = 1) -> list[Client]:
        """Start those of the clients that can be, and warm them up with a method and its arguments."""
        ready = []
        for name in names:
            try:
                client = Client(name, url, self.certificate)
                stack.callback(client.close)
                client(*(warm or ("get", f"object-{SMALL}", str(self.folder / "warm"))), times=times)  # type: ignore[arg-type]
                ready.append(client)
            except UnavailableError as reason:
                self.say(f"skipped: {reason}")
        return ready

    def interleave(
        self, clients: Sequence[Client], rounds: int, work: Callable[[Client], dict[str, float]]
    ) -> dict[str, Samples]:
        """Let each client do it in every round, the slowest only in the first few."""
        found: dict[str, Samples] = {}
        failed: set[str] = set()
        for number in range(rounds):
            for client in random.sample(clients, len(clients)):
                if client.name in failed:
                    continue
                if number >= ROUNDS_OF_THE_SLOW and median(found[client.name].seconds) > SLOW:
                    continue
                try:
                    said = work(client)
                except UnavailableError as reason:
                    self.say(f"failed: {reason}")
                    failed.add(client.name)
                    found.pop(client.name, None)
                else:
                    found.setdefault(client.name, Samples()).add(said)
        return {client.name: found[client.name] for client in clients if client.name in found}

    def large(self, scheme: str, direction: str, names: Sequence[str], rate: float = 0.0) -> dict[str, Samples]:
        """Move the whole file, and see that it arrived."""
        target, checksum = self.folder / "target", crc64_of(self.source)

        def work(client: Client) -> dict[str, float]:
            if direction == "put":
                return client("put", str(self.source), f"upload-{self.size}")
            try:
                said = client("get", f"object-{self.size}", str(target))
                if crc64_of(target) != checksum:
                    raise UnavailableError(f"{client.name}: the file differs")
                return said
            finally:
                target.unlink(missing_ok=True)

        with self.server(scheme, rate=rate) as url, ExitStack() as stack:
            return self.interleave(self.clients(names, url, stack), self.rounds, work)

    def small(self, scheme: str, direction: str, count: int) -> dict[str, Samples]:
        """Move small objects one by one."""
        method = {"get": "read", "put": "write"}[direction]
        source = self.folder / "small"
        source.write_bytes(b"0123456789" * (SMALL // 10))
        arguments = [f"object-{SMALL}", str(source)][: 2 if direction == "put" else 1]
        with self.server(scheme) as url, ExitStack() as stack:
            clients = self.clients(TINY, url, stack, method, *arguments, times=20)
            return self.interleave(clients, self.rounds, lambda client: client(method, *arguments, times=count))

    def distant(self, direction: str, count: int) -> dict[str, Samples]:
        """Move small files to and from a server that takes its time: a pool of 16 beside a loop."""
        source, folder = self.folder / "small", self.folder / "many"
        source.write_bytes(b"0123456789" * (SMALL // 10))

        def work(client: Client) -> dict[str, float]:
            many = count if client.name.startswith("ours") else max(1, count // 8)
            folder.mkdir()
            try:
                if direction == "put":
                    said = client("put_all", str(source), f"object-{SMALL}", many)
                else:
                    said = client("get_all", f"object-{SMALL}", str(folder), many)
                return said | {"seconds": said["seconds"] * count / many}
            finally:
                shutil.rmtree(folder)

        with self.server(latency=LATENCY_MS) as url, ExitStack() as stack:
            return self.interleave(self.clients((*OURS, *SDKS.values()), url, stack), self.rounds, work)


def crc64_of(path: Path) -> int:
    checksum = 0
    with path.open("rb") as file:
        while block := file.read(MIB):
            checksum = crc64.xz(block, checksum)
    return checksum


def make_source(path: Path, size: int) -> None:
    """Write bytes of which no MiB is like another; they are text, since OSSHook reads nothing else."""
    block = os.urandom(MIB // 2).hex().encode()
    with path.open("wb") as file:
        for number in range(size // MIB):
            file.write(b"%08d" % number + block[8:])


def speed(samples: Samples, amount: float) -> float:
    return amount / median(samples.seconds)


def goals_of_large(found: dict[tuple[str, str], dict[str, Samples]]) -> Iterator[Goal]:
    """Compare the large files."""

    def ratio(place: tuple[str, str], ours: str, peer: str, wanted: float) -> Iterator[Goal]:
        samples = found.get(place, {})
        if ours in samples and peer in samples:
            value = samples[ours].ratio_to(samples[peer])
            yield Goal(f"large, {place[1]} {place[0]}: {ours} to {peer}", value, wanted)

    one = "ours oss, one stream"
    get, put, secure_get, secure_put = ("http", "get"), ("http", "put"), ("https", "get"), ("https", "put")
    yield from ratio(get, one, "http.client", 0.95)
    yield from ratio(get, "ours oss", "http.client", 0.95)
    yield from ratio(get, "ours cos", "cos sdk, crc", 5)
    yield from ratio(get, "ours oss", "OSSHook", 10)
    yield from ratio(secure_get, one, "curl", 0.9)
    yield from ratio(secure_get, "ours oss", "curl", 0.9)
    yield from ratio(secure_get, "ours oss", "http.client", 1.2)
    yield from ratio(PACED, "ours oss", "http.client", 1.2)
    yield from ratio(put, "ours oss", "curl", 0.9)
    yield from ratio(put, "ours oss", "oss sdk", 8)
    yield from ratio(put, "ours oss", "OSSHook", 8)
    yield from ratio(secure_put, "ours oss", "curl", 0.9)
    for name in ("ours oss, one stream", *OURS):
        peaks = [samples[name].peak for samples in found.values() if name in samples]
        if peaks:
            yield Goal(f"memory: {name}", max(peaks) / MIB, MEMORY_LIMIT, "MiB")


def goals_of_small(title: str, found: dict[str, Samples], sdk: float, hook: float | None) -> Iterator[Goal]:
    """Compare the small objects, vendor by vendor."""
    for vendor, peer in SDKS.items():
        ours = f"ours {vendor}"
        pairs = [(peer, sdk), ("OSSHook", hook)] if vendor == "oss" else [(peer, sdk)]
        for other, wanted in pairs:
            if wanted and ours in found and other in found:
                value = found[ours].ratio_to(found[other])
                yield Goal(f"{title}: {ours} to {other}", value, wanted)


@contextmanager
def bench(size: int, rounds: int) -> Iterator[Bench]:
    """Make a source, a certificate and a folder, in memory where there is room.

    :param size: MiB of the source
    """
    shared = Path("/dev/shm")
    parent = shared if shared.is_dir() and shutil.disk_usage(shared).free > 3 * size * MIB else None
    with tempfile.TemporaryDirectory(dir=parent, prefix="benchmark-") as name:
        folder = Path(name)
        make_source(folder / "source", size * MIB)
        where = "files in memory" if parent else "files on disk"
        medians = f"Medians of {rounds} interleaved rounds ({ROUNDS_OF_THE_SLOW} of who takes over {SLOW:.0f} s)"
        notes = [f"{medians}, {where}; client and server on loopback share the processors."]
        yield Bench(folder, folder / "source", make_certificate(folder), size * MIB, rounds, notes)


def table(columns: Sequence[str], rows: Sequence[Sequence[str]], notes: Sequence[str], goals: Sequence[Goal]) -> Table:
    """Return the table of a benchmark."""
    curl = subprocess.run(["curl", "--version"], capture_output=True, text=True, check=False).stdout
    return Table(
        columns=columns,
        rows=rows,
        notes=[*notes, f"{describe(*PACKAGES)} {' '.join(curl.split()[:2])}."],
        goals=[goal.cells() for goal in goals],
        missed=[" ".join(goal.cells()[:3]) for goal in goals if goal.missed],
    )


def table_of_small(
    count: int, found: dict[str, dict[str, Samples]], notes: Sequence[str], goals: Sequence[Goal]
) -> Table:
    """Return a table of objects a second."""
    names = list(dict.fromkeys(name for samples in found.values() for name in samples))
    rows = [(name, *(f"{speed(s[name], count):.0f}" if name in s else "-" for s in found.values())) for name in names]
    return table(("objects a second", *found), rows, notes, goals)
