"""Presign URLs."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import pendulum
from airflow.sdk import BaseOperator, Context
from airflow.sdk.log import mask_secret

from aksk_provider.errors import InvalidRequestError
from aksk_provider.hooks.object_storage import ObjectStorageHook


class PresignURLOperator(BaseOperator):
    """Make a URL that anyone can use until it expires, or one for each key of a list.

    XCom: ``uri, method, url, expires_at, signed_headers``, or a list of them for a list of keys. The URL is a secret
    while it lives: it is masked in this task's log, not in XCom.

    :param key: key or URI, or a list of them
    :param bucket: bucket, by default the connection's
    :param method: the one HTTP method it is good for
    :param expires_in: lifetime, as a timedelta or in seconds; by default the vendor's: BOS 30, OSS 15, COS 5 minutes
    :param expires_at: end of the lifetime, as an aware datetime or ISO 8601 text; wins over ``expires_in``
    :param headers: headers to sign, which the user of the URL must then send
    :param params: query parameters to sign, e.g. ``{"response-content-disposition": "attachment"}``
    :param version_id: version of the object, by default the latest
    :param handover: adds to each link a ready ``command`` for ``curl``, ``wget`` or ``python``, or a ``listing`` in
        ``markdown`` or ``html``, to be sent to people
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
        "handover",
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
        handover: str | None = None,
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
        self.handover = handover
        self.aksk_conn_id = aksk_conn_id

    def execute(self, context: Context) -> dict[str, Any] | list[dict[str, Any]]:
        """Sign; nothing is sent."""
        hook = ObjectStorageHook(self.aksk_conn_id)
        if isinstance(self.key, str):
            return self._presign(hook, self.key)
        return [self._presign(hook, key) for key in self.key]

    def _own_params(self, params: Mapping[str, Any] | None) -> dict[str, Any]:
        """Return the params given to this task: Airflow's constructor hands over those of the DAG as well."""
        of_dag = self.dag.params if self.has_dag() else {}  # type: ignore[no-untyped-call]
        given = params or {}
        return {name: given[name] for name in given if name not in of_dag}

    def _presign(self, hook: ObjectStorageHook, key: str) -> dict[str, Any]:
        from aksk_provider.storage.presigning.handover import result_fields

        presigned = hook.presign(
            key,
            self.bucket,
            method=self.method,
            expires_in=_lifetime(self.expires_in),
            expires_at=_instant(self.expires_at),
            headers=self.headers,
            params=self.query_params,
            version_id=self.version_id,
        )
        mask_secret(presigned.url)
        mask_secret(html.escape(presigned.url))
        return {
            "uri": hook.uri(key, self.bucket),
            "method": presigned.method,
            "url": presigned.url,
            "expires_at": presigned.expires_at.isoformat(),
            "signed_headers": dict(presigned.signed_headers),
            **result_fields(self.handover, presigned, key),
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
