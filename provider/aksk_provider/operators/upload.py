"""Upload a file, or many."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import cached_property
from typing import Any

from airflow.sdk import BaseOperator, Context

from aksk_provider.assets import emit
from aksk_provider.hooks.object_storage import ObjectStorageHook
from aksk_provider.operators.links import ConsoleLink, ObjectLink
from aksk_provider.operators.many import is_many, manifest, summary


class UploadObjectOperator(BaseOperator):
    """Write a local file to an object, or many files under a prefix.

    XCom for a file: ``uri, vendor, bucket, key, size, etag, crc64, version_id``; for a folder, a glob or a list:
    ``count, size, skipped, files, manifest``, where ``files`` is left out of more than 1,000 and listed in an object.

    With an ``AssetAlias`` among its ``outlets`` it emits the asset that it wrote, which may have a templated key, with
    these values as the event's extra; an ``Asset`` among them that is the object's own gets them too. For many files
    the asset is their prefix.

    A large file goes in parts. When the task fails or is killed, its next try continues.

    :param source: path of the file on the worker; or a folder, a glob, or a list of files
    :param key: key, or a URI such as ``oss://bucket/key``; for many files what their keys start with
    :param bucket: bucket, by default the connection's
    :param overwrite: ``False`` fails the task when the object exists
    :param content_type: by default guessed from the key's ending
    :param metadata: user metadata
    :param headers: further headers to send, e.g. ``Cache-Control``
    :param concurrency: parts of a large file sent at once, where the network is what limits
    :param workers: files sent at once
    :param deadline: time one file may take
    :param skip_equal: send nothing that is there with the same size and checksum
    :param dry_run: of many files, say what would be sent, and send nothing
    :param aksk_conn_id: id of a connection of type ``aksk``
    """

    template_fields: Sequence[str] = (
        "source",
        "key",
        "bucket",
        "content_type",
        "metadata",
        "headers",
        "aksk_conn_id",
    )
    template_fields_renderers = {"metadata": "json", "headers": "json"}  # noqa: RUF012 - as Airflow declares it
    ui_color = "#d9ead3"
    operator_extra_links = (ConsoleLink(), ObjectLink())

    def __init__(
        self,
        *,
        source: str | Sequence[str],
        key: str,
        bucket: str | None = None,
        overwrite: bool = True,
        content_type: str | None = None,
        metadata: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        concurrency: int = 4,
        workers: int = 8,
        deadline: timedelta | None = None,
        skip_equal: bool = False,
        dry_run: bool = False,
        aksk_conn_id: str = ObjectStorageHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.source = source
        self.key = key
        self.bucket = bucket
        self.overwrite = overwrite
        self.content_type = content_type
        self.metadata = metadata
        self.headers = headers
        self.concurrency = concurrency
        self.workers = workers
        self.deadline = deadline
        self.skip_equal = skip_equal
        self.plan_only = dry_run
        self.aksk_conn_id = aksk_conn_id

    def execute(self, context: Context) -> dict[str, Any]:
        """Upload, and return what the store said about the object or the objects."""
        from aksk_provider.storage.config import locate_prefix
        from aksk_provider.storage.transfer import ManyOptions, TransferOptions

        each = TransferOptions(concurrency=self.concurrency, deadline=self.deadline)
        properties: dict[str, Any] = {
            "content_type": self.content_type,
            "metadata": self.metadata,
            "headers": self.headers,
        }
        if isinstance(self.source, str) and not is_many(self.source):
            info = self._hook.upload(
                self.source,
                self.key,
                self.bucket,
                overwrite=self.overwrite,
                skip_equal=self.skip_equal,
                options=each,
                **properties,
            )
            names = ("uri", "vendor", "bucket", "key", "size", "etag", "crc64", "version_id")
            written = {name: getattr(info, name) for name in names}
            emit(context, self.outlets, info.vendor, info.bucket, info.key, written)
            return written
        options = ManyOptions(self.workers, self.skip_equal, self.plan_only, each)
        results = self._hook.upload_many(
            self.source, self.key, self.bucket, overwrite=self.overwrite, options=options, **properties
        )
        summed = summary(results)
        if summed["files"] is None and not self.plan_only:
            key = f"{self.key.rstrip('/')}.manifest.jsonl"
            summed["manifest"] = self._hook.upload(manifest(results), key, self.bucket).uri
        if self.outlets and not self.plan_only:
            store = self._hook.store
            bucket, prefix = locate_prefix(store.config, self.key, self.bucket)
            told = {name: summed[name] for name in ("count", "size", "skipped", "manifest")}
            emit(context, self.outlets, store.config.vendor.name, bucket, prefix, told)
        return summed

    def on_kill(self) -> None:
        """Stop soon, and leave what was moved for the next try."""
        self._hook.cancel()

    @cached_property
    def _hook(self) -> ObjectStorageHook:
        return ObjectStorageHook(self.aksk_conn_id)
