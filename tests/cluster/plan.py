"""What the DAG of the cluster has to move and to wait for, and whether it was moved."""

from __future__ import annotations

import io
import json
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aksk_provider.emulator import Account, Bucket, Emulator
from aksk_provider.storage import ObjectStore
from aksk_provider.storage.parts import open_uploads
from aksk_provider.storage.transfer import download
from tests.support.clouds import VENDORS, Cloud

MIB = 1024**2
BUCKETS = (Bucket("bos", "cluster-bos"), Bucket("oss", "cluster-oss"), Bucket("cos", "cluster-1250000000"))


@dataclass(frozen=True)
class Size:
    """How much of it there is.

    :param transfers: uploads and downloads of a file each, half and half
    :param large: those of them that move a large file in parts of 1 MiB
    :param sensors: deferred sensors
    """

    transfers: int = 200
    large: int = 20
    sensors: int = 200
    small_bytes: int = 64 * 1024
    large_bytes: int = 16 * MIB + 1

    @property
    def moved(self) -> int:
        """Bytes of all transfers."""
        return self.large * self.large_bytes + (self.transfers - self.large) * self.small_bytes


class Plan:
    """Files, objects and keys of a run.

    :param folder: for the files and for the plan as the DAG reads it
    """

    def __init__(self, size: Size, folder: Path, emulator: Emulator, accounts: list[Account]) -> None:
        self.size, self.folder, self.emulator = size, folder, emulator
        self.clouds = {
            vendor: Cloud(vendor, emulator, own_account=account)
            for vendor, account in zip(VENDORS, accounts, strict=True)
        }
        self.contents: dict[tuple[str, str], bytes] = {}
        small, large = (size.transfers - size.large) // 2, size.large // 2
        self.tasks: dict[str, list[dict[str, str]]] = {
            "upload_in_parts": [self._upload("large", number, size.large_bytes) for number in range(large)],
            "download_in_parts": [self._download("large", number, size.large_bytes) for number in range(large)],
            "upload": [self._upload("small", number, size.small_bytes) for number in range(small)],
            "download": [self._download("small", number, size.small_bytes) for number in range(small)],
            "wait": [self._wait(number) for number in range(size.sensors)],
            "publish": [
                {"source": f"{folder}/ready/{vendor}", "key": "ready/", "aksk_conn_id": f"aksk_{vendor}"}
                for vendor in VENDORS
            ],
        }
        self._file = folder / "plan.json"
        self._file.write_text(json.dumps(self.tasks))

    def _upload(self, kind: str, number: int, size: int) -> dict[str, str]:
        vendor, key = VENDORS[number % 3], f"up/{kind}/{number:03}.bin"
        path = self.folder / "sources" / kind / f"{number:03}.bin"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(self._content(vendor, key, size))
        return {"source": str(path), "key": key, "aksk_conn_id": f"aksk_{vendor}"}

    def _download(self, kind: str, number: int, size: int) -> dict[str, str]:
        vendor, key = VENDORS[number % 3], f"down/{kind}/{number:03}.bin"
        with self.clouds[vendor].store() as store:
            store.put(key, self._content(vendor, key, size))
        target = self.folder / "targets" / kind / f"{number:03}.bin"
        return {"key": key, "target": str(target), "aksk_conn_id": f"aksk_{vendor}"}

    def _wait(self, number: int) -> dict[str, str]:
        vendor, name = VENDORS[number % 3], f"{number:03}.txt"
        path = self.folder / "ready" / vendor / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(self._content(vendor, f"ready/{name}", 100))
        return {"key": f"ready/{name}", "aksk_conn_id": f"aksk_{vendor}"}

    def _content(self, vendor: str, key: str, size: int) -> bytes:
        return self.contents.setdefault((vendor, key), random.Random(f"{vendor} {key}").randbytes(size))

    def instances(self) -> set[str]:
        """Return the task instances of a run, as ``task[map index]``."""
        return {f"{name}[{index}]" for name, mapped in self.tasks.items() for index in range(len(mapped))}

    def settings(self) -> dict[str, str]:
        """Return what the DAG finds in its environment."""
        return {"CLUSTER_PLAN": str(self._file)}

    def connections(self) -> dict[str, dict[str, Any]]:
        """Return the fields of a connection for each cloud; a request is tried for some 20 s."""
        return {f"aksk_{name}": cloud.fields(extra={"max_attempts": 8}) for name, cloud in self.clouds.items()}

    def wrong_objects(self) -> set[tuple[str, str]]:
        """Return the objects that are missing, too many, or other than they must be."""
        stored = {}
        for vendor, cloud in self.clouds.items():
            with cloud.store() as store:
                stored |= {(vendor, info.key): _read(store, info.key) for info in store.list()}
        return {place for place in {*stored, *self.contents} if stored.get(place) != self.contents.get(place)}

    def wrong_files(self) -> set[str]:
        """Return the files below the targets that are missing, too many, or other than they must be."""
        found = {str(path): path.read_bytes() for path in (self.folder / "targets").rglob("*") if path.is_file()}
        wanted = {
            task["target"]: self.contents[task["aksk_conn_id"].removeprefix("aksk_"), task["key"]]
            for name in ("download", "download_in_parts")
            for task in self.tasks[name]
        }
        return {path for path in {*found, *wanted} if found.get(path) != wanted.get(path)}

    def open_uploads(self) -> list[str]:
        """Return the uploads in parts that are neither completed nor aborted, as the store lists them."""
        found = []
        for vendor, cloud in self.clouds.items():
            with cloud.store() as store:
                found += [f"{vendor} {upload.key}" for upload in open_uploads(store, cloud.bucket, "")]
        return found


def _read(store: ObjectStore, key: str) -> bytes:
    """Return an object, whose checksum the download compares with the store's."""
    file = io.BytesIO()
    download(store, key, file)
    return file.getvalue()
