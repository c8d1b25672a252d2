"""Upload a file to an object."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from airflow.sdk import BaseOperator, Context

from aksk_provider.hooks.object_storage import ObjectStorageHook


class UploadObjectOperator(BaseOperator):
    """Write a local file to an object.

    XCom: ``uri, vendor, bucket, key, size, etag, crc64, version_id``.

    :param source: path of the file on the worker
    :param key: key, or a URI such as ``oss://bucket/key``
    :param bucket: bucket, by default the connection's
    :param overwrite: ``False`` fails the task when the object exists
    :param content_type: by default guessed from the key's ending
    :param metadata: user metadata
    :param headers: further headers to send, e.g. ``Cache-Control``
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

    def __init__(
        self,
        *,
        source: str,
        key: str,
        bucket: str | None = None,
        overwrite: bool = True,
        content_type: str | None = None,
        metadata: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
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
        self.aksk_conn_id = aksk_conn_id

    def execute(self, context: Context) -> dict[str, Any]:
        """Upload, and return what the store said about the object."""
        info = ObjectStorageHook(self.aksk_conn_id).upload(
            self.source,
            self.key,
            self.bucket,
            content_type=self.content_type,
            metadata=self.metadata,
            headers=self.headers,
            overwrite=self.overwrite,
        )
        names = ("uri", "vendor", "bucket", "key", "size", "etag", "crc64", "version_id")
        return {name: getattr(info, name) for name in names}
