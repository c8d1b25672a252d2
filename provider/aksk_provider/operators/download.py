"""Download an object to a file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from airflow.sdk import BaseOperator, Context

from aksk_provider.hooks.object_storage import ObjectStorageHook


class DownloadObjectOperator(BaseOperator):
    """Write an object to a local file, which appears only when it is whole and its checksum is right.

    XCom: ``path, uri, size, etag, crc64``.

    :param key: key, or a URI such as ``oss://bucket/key``
    :param target: path of the file on the worker; missing folders are made
    :param bucket: bucket, by default the connection's
    :param version_id: version of the object, by default the latest
    :param overwrite: ``False`` fails the task when the file exists
    :param aksk_conn_id: id of a connection of type ``aksk``
    """

    template_fields: Sequence[str] = ("key", "target", "bucket", "version_id", "aksk_conn_id")
    ui_color = "#d9ead3"

    def __init__(
        self,
        *,
        key: str,
        target: str,
        bucket: str | None = None,
        version_id: str | None = None,
        overwrite: bool = True,
        aksk_conn_id: str = ObjectStorageHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.key = key
        self.target = target
        self.bucket = bucket
        self.version_id = version_id
        self.overwrite = overwrite
        self.aksk_conn_id = aksk_conn_id

    def execute(self, context: Context) -> dict[str, Any]:
        """Download, and return where the file is and what it holds."""
        hook = ObjectStorageHook(self.aksk_conn_id)
        result = hook.download(self.key, self.target, self.bucket, version_id=self.version_id, overwrite=self.overwrite)
        return asdict(result)
