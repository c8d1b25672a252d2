"""Download an object, or many."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

from airflow.sdk import BaseOperator, Context

from aksk_provider.hooks.object_storage import ObjectStorageHook
from aksk_provider.operators.links import ConsoleLink, ObjectLink
from aksk_provider.operators.many import is_wildcard, manifest, summary


class DownloadObjectOperator(BaseOperator):
    """Write an object to a local file, which appears only when it is whole and its checksum is right; or many.

    XCom for an object: ``path, uri, size, etag, crc64``; for a prefix, wildcard or list: ``count, size, skipped, files,
    manifest``, where ``files`` is left out of more than 1,000 and listed in a file beside the folder.

    A large object comes in ranges. When the task fails or is killed, its next try on the same worker continues.

    :param key: key, or a URI such as ``oss://bucket/key``; or a prefix that ends in ``/``, a wildcard, or a list
    :param target: path of the file on the worker, of the folder for many; missing folders are made
    :param bucket: bucket, by default the connection's
    :param version_id: version of the object, by default the latest
    :param overwrite: ``False`` fails the task when the file exists
    :param checksum: what the object's checksum must be, as a decimal number: CRC-64/XZ, for BOS CRC-32
    :param concurrency: ranges of a large object fetched at once, where the network is what limits
    :param workers: objects fetched at once
    :param deadline: time one object may take
    :param skip_equal: fetch nothing that is there with the same size and checksum
    :param dry_run: of many objects, say what would be fetched, and fetch nothing
    :param aksk_conn_id: id of a connection of type ``aksk``
    """

    template_fields: Sequence[str] = ("key", "target", "bucket", "version_id", "checksum", "aksk_conn_id")
    ui_color = "#d9ead3"
    operator_extra_links = (ConsoleLink(), ObjectLink())

    def __init__(
        self,
        *,
        key: str | Sequence[str],
        target: str,
        bucket: str | None = None,
        version_id: str | None = None,
        overwrite: bool = True,
        checksum: str | None = None,
        concurrency: int = 4,
        workers: int = 8,
        deadline: timedelta | None = None,
        skip_equal: bool = False,
        dry_run: bool = False,
        aksk_conn_id: str = ObjectStorageHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.key = key
        self.target = target
        self.bucket = bucket
        self.version_id = version_id
        self.overwrite = overwrite
        self.checksum = checksum
        self.concurrency = concurrency
        self.workers = workers
        self.deadline = deadline
        self.skip_equal = skip_equal
        self.plan_only = dry_run
        self.aksk_conn_id = aksk_conn_id

    def execute(self, context: Context) -> dict[str, Any]:
        """Download, and return where the file is and what it holds, or the files."""
        from aksk_provider.storage.transfer import ManyOptions, TransferOptions

        each = TransferOptions(concurrency=self.concurrency, deadline=self.deadline)
        if isinstance(self.key, str) and not (self.key.endswith("/") or is_wildcard(self.key)):
            result = self._hook.download(
                self.key,
                self.target,
                self.bucket,
                version_id=self.version_id,
                overwrite=self.overwrite,
                skip_equal=self.skip_equal,
                checksum=self.checksum,
                options=each,
            )
            return asdict(result)
        options = ManyOptions(self.workers, self.skip_equal, self.plan_only, each)
        results = self._hook.download_many(
            self.key, self.target, self.bucket, overwrite=self.overwrite, options=options
        )
        summed = summary(results)
        if summed["files"] is None and not self.plan_only:
            path = Path(f"{self.target.rstrip('/')}.manifest.jsonl")
            path.write_bytes(manifest(results))
            summed["manifest"] = str(path)
        return summed

    def on_kill(self) -> None:
        """Stop soon, and leave what was moved for the next try."""
        self._hook.cancel()

    @cached_property
    def _hook(self) -> ObjectStorageHook:
        return ObjectStorageHook(self.aksk_conn_id)
