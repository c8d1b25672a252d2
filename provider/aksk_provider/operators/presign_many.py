"""Presign URLs by the million."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from airflow.sdk import BaseOperator, Context

from aksk_provider.hooks.object_storage import ObjectStorageHook
from aksk_provider.operators import arguments


class PresignManifestOperator(BaseOperator):
    """Write a link for each of many keys to a CSV or JSON lines file, or object, and say where it is.

    XCom: ``manifest`` (path or URI), ``format``, ``count``, ``expires_at`` (of the first link to stop working). The
    links themselves are in the manifest alone; whoever may read it can use them. Give one of ``keys``, ``prefix``
    and ``key_file``.

    :param target: path of the file on the worker, or URI of the object, such as ``oss://bucket/links.csv``
    :param keys: keys or URIs
    :param prefix: the objects listed under a prefix
    :param key_file: path or URI of a text file with a key or URI on each line; if it ends in ``.jsonl``, of JSON lines
        with ``uri`` or ``key``
    :param bucket: bucket of the keys and the prefix, by default the connection's
    :param file_format: ``csv`` or ``jsonl``, by default the target's ending
    :param overwrite: ``False`` fails the task when the target exists
    :param method: the one HTTP method the links are good for
    :param expires_in: lifetime, as a timedelta or in seconds; by default the vendor's: BOS 30, OSS 15, COS 5 minutes
    :param expires_at: end of the lifetime, as an aware datetime or ISO 8601 text; wins over ``expires_in``
    :param headers: headers to sign, which the user of a link must then send
    :param params: query parameters to sign, e.g. ``{"response-content-disposition": "attachment"}``
    :param endpoint: host to sign for, by default the connection's ``public_endpoint``, or else its endpoint
    :param clamp: shorten a lifetime that the vendor or the token does not allow, with a warning, not fail
    :param aksk_conn_id: id of a connection of type ``aksk``
    """

    template_fields: Sequence[str] = (
        "target",
        "keys",
        "prefix",
        "key_file",
        "bucket",
        "file_format",
        "method",
        "expires_in",
        "expires_at",
        "headers",
        "query_params",
        "endpoint",
        "aksk_conn_id",
    )
    ui_color = "#fff2cc"

    def __init__(
        self,
        *,
        target: str,
        keys: Sequence[str] | None = None,
        prefix: str | None = None,
        key_file: str | None = None,
        bucket: str | None = None,
        file_format: str | None = None,
        overwrite: bool = True,
        method: str = "GET",
        expires_in: timedelta | float | str | None = None,
        expires_at: datetime | str | None = None,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        endpoint: str | None = None,
        clamp: bool = False,
        aksk_conn_id: str = ObjectStorageHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.target = target
        self.keys = keys
        self.prefix = prefix
        self.key_file = key_file
        self.bucket = bucket
        self.file_format = file_format
        self.overwrite = overwrite
        self.method = method
        self.expires_in = expires_in
        self.expires_at = expires_at
        self.headers = headers
        self.query_params = arguments.own_params(self, params)
        self.endpoint = endpoint
        self.clamp = clamp
        self.aksk_conn_id = aksk_conn_id

    def execute(self, context: Context) -> dict[str, Any]:
        """Sign; only a listing, and a key file or manifest that is an object, go over the network."""
        manifest = ObjectStorageHook(self.aksk_conn_id).write_manifest(
            self.target,
            self.keys,
            self.bucket,
            prefix=self.prefix,
            key_file=self.key_file,
            file_format=self.file_format,
            overwrite=self.overwrite,
            method=self.method,
            expires_in=arguments.lifetime(self.expires_in),
            expires_at=arguments.instant(self.expires_at),
            headers=self.headers,
            params=self.query_params,
            endpoint=self.endpoint,
            clamp=self.clamp,
        )
        return {
            "manifest": manifest.place,
            "format": manifest.format,
            "count": manifest.count,
            "expires_at": manifest.expires_at.isoformat() if manifest.expires_at else None,
        }
