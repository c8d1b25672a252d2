"""Presign URLs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import pendulum
from airflow.sdk import BaseOperator, Context
from airflow.sdk.log import mask_secret

from aksk_provider.errors import InvalidRequestError
from aksk_provider.hooks.object_storage import ObjectStorageHook

_SPECIAL = (
    "filename",
    "response_content_type",
    "response_content_disposition",
    "response_content_language",
    "response_content_encoding",
    "response_cache_control",
    "response_expires",
    "content_type",
    "content_length",
    "content_md5",
)


class PresignURLOperator(BaseOperator):
    """Make a URL that anyone can use until it expires, or one for each key of a list.

    XCom: ``uri, method, url, expires_at, signed_headers``, or a list of them for a list of keys. The URL is a secret
    while it lives: it is masked in this task's log, not in XCom. What may keep links from working stands in the log,
    and in the XCom ``warnings``, a list of sentences, if there is anything.

    :param key: key or URI, or a list of them
    :param bucket: bucket, by default the connection's
    :param method: the one HTTP method it is good for
    :param expires_in: lifetime, as a timedelta or in seconds; by default the vendor's: BOS 30, OSS 15, COS 5 minutes
    :param expires_at: end of the lifetime, as an aware datetime or ISO 8601 text; wins over ``expires_in``
    :param headers: headers to sign, which the user of the URL must then send
    :param params: query parameters to sign, e.g. ``{"x-oss-process": "image/resize,w_100"}``
    :param version_id: version of the object, by default the latest
    :param filename: name under which a browser saves the download, in any script
    :param response_content_type: sets this header of the answer to a GET, as the other ``response_*`` do theirs
    :param content_type: the only type that may be uploaded
    :param content_length: the only size that may be uploaded, in bytes
    :param content_md5: MD5 of what alone may be uploaded, in base64 or hex
    :param endpoint: host to sign for, by default the connection's ``public_endpoint``, or else its endpoint
    :param clamp: shorten a lifetime that the vendor or the token does not allow, with a warning, not fail
    :param aksk_conn_id: id of a connection of type ``aksk``
    """

    template_fields: Sequence[str] = (
        "key",
        "bucket",
        "method",
        "expires_in",
        "expires_at",
        "headers",
        "query_params",
        "version_id",
        *_SPECIAL,
        "endpoint",
        "aksk_conn_id",
    )
    ui_color = "#fff2cc"

    def __init__(
        self,
        *,
        key: str | Sequence[str],
        bucket: str | None = None,
        method: str = "GET",
        expires_in: timedelta | float | str | None = None,
        expires_at: datetime | str | None = None,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        version_id: str | None = None,
        filename: str | None = None,
        response_content_type: str | None = None,
        response_content_disposition: str | None = None,
        response_content_language: str | None = None,
        response_content_encoding: str | None = None,
        response_cache_control: str | None = None,
        response_expires: str | None = None,
        content_type: str | None = None,
        content_length: int | str | None = None,
        content_md5: str | None = None,
        endpoint: str | None = None,
        clamp: bool = False,
        aksk_conn_id: str = ObjectStorageHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.key = key
        self.bucket = bucket
        self.method = method
        self.expires_in = expires_in
        self.expires_at = expires_at
        self.headers = headers
        self.query_params = self._own_params(params)
        self.version_id = version_id
        self.filename = filename
        self.response_content_type = response_content_type
        self.response_content_disposition = response_content_disposition
        self.response_content_language = response_content_language
        self.response_content_encoding = response_content_encoding
        self.response_cache_control = response_cache_control
        self.response_expires = response_expires
        self.content_type = content_type
        self.content_length = content_length
        self.content_md5 = content_md5
        self.endpoint = endpoint
        self.clamp = clamp
        self.aksk_conn_id = aksk_conn_id

    def execute(self, context: Context) -> dict[str, Any] | list[dict[str, Any]]:
        """Sign; nothing is sent."""
        hook = ObjectStorageHook(self.aksk_conn_id)
        warnings: dict[str, None] = {}
        links = [self._presign(hook, key, warnings) for key in self._keys()]
        if warnings:
            context["ti"].xcom_push("warnings", list(warnings))
        return links[0] if isinstance(self.key, str) else links

    def _keys(self) -> Sequence[str]:
        return [self.key] if isinstance(self.key, str) else self.key

    def _own_params(self, params: Mapping[str, Any] | None) -> dict[str, Any]:
        """Return the params given to this task: Airflow's constructor hands over those of the DAG as well."""
        of_dag = self.dag.params if self.has_dag() else {}  # type: ignore[no-untyped-call]
        given = params or {}
        return {name: given[name] for name in given if name not in of_dag}

    def _presign(self, hook: ObjectStorageHook, key: str, warnings: dict[str, None]) -> dict[str, Any]:
        presigned = hook.presign(
            key,
            self.bucket,
            method=self.method,
            expires_in=_lifetime(self.expires_in),
            expires_at=_instant(self.expires_at),
            headers=self.headers,
            params=self.query_params,
            version_id=self.version_id,
            endpoint=self.endpoint,
            clamp=self.clamp,
            **{name: getattr(self, name) for name in _SPECIAL},
        )
        warnings.update(dict.fromkeys(presigned.warnings))
        mask_secret(presigned.url)
        return {
            "uri": hook.uri(key, self.bucket),
            "method": presigned.method,
            "url": presigned.url,
            "expires_at": presigned.expires_at.isoformat(),
            "signed_headers": dict(presigned.signed_headers),
        }


def _lifetime(value: timedelta | float | str | None) -> timedelta | None:
    if value is None or isinstance(value, timedelta):
        return value
    try:
        return timedelta(seconds=float(value))
    except ValueError as error:
        raise InvalidRequestError(f"expires_in must be a timedelta or a number of seconds, not {value!r}") from error


def _instant(value: datetime | str | None) -> datetime | None:
    if value is None or isinstance(value, datetime):
        return value
    try:
        instant = pendulum.parse(value)
    except ValueError as error:
        raise InvalidRequestError(f"expires_at must be an ISO 8601 time, not {value!r}") from error
    if not isinstance(instant, pendulum.DateTime):
        raise InvalidRequestError(f"expires_at must be a point in time, not {value!r}")
    return instant
