"""Presign URLs."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal

from airflow.sdk import BaseOperator, Context
from airflow.sdk.log import mask_secret

from aksk_provider.errors import InvalidRequestError
from aksk_provider.hooks.links import mask_links
from aksk_provider.hooks.object_storage import ObjectStorageHook
from aksk_provider.operators.arguments import instant, lifetime, own_params
from aksk_provider.operators.links import ConsoleLink, ObjectLink
from aksk_provider.signing import PresignedURL

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
    while it lives: it is masked in this task's log, not in XCom. With ``emit="recipe"`` XCom holds a recipe instead,
    which is no secret and is signed where it is used. What may keep links from working stands in the log, and in the
    XCom ``warnings``, a list of sentences, if there is anything.

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
    :param emit: ``url``, or ``recipe`` for ``FetchURLOperator``, ``ObjectStorageHook.sign_recipe`` and, in templates,
        ``macros.aksk.url``; the lifetime of a recipe begins when it is signed
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
        *_SPECIAL,
        "endpoint",
        "handover",
        "aksk_conn_id",
    )
    ui_color = "#fff2cc"
    operator_extra_links = (ConsoleLink(), ObjectLink())

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
        emit: Literal["url", "recipe"] = "url",
        handover: str | None = None,
        aksk_conn_id: str = ObjectStorageHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if emit not in ("url", "recipe"):
            raise InvalidRequestError(f"emit must be url or recipe, not {emit!r}")
        if emit == "recipe" and handover:
            raise InvalidRequestError("a recipe has no URL to hand over: give emit='url', or no handover")
        self.key = key
        self.bucket = bucket
        self.method = method
        self.expires_in = expires_in
        self.expires_at = expires_at
        self.headers = headers
        self.query_params = own_params(self, params)
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
        self.emit = emit
        self.handover = handover
        self.aksk_conn_id = aksk_conn_id

    def execute(self, context: Context) -> dict[str, Any] | list[dict[str, Any]]:
        """Sign, or leave that to whoever uses the recipe; nothing is sent."""
        hook = ObjectStorageHook(self.aksk_conn_id)
        keys = [self.key] if isinstance(self.key, str) else self.key
        links = [
            hook.presign(
                key,
                self.bucket,
                expires_in=lifetime(self.expires_in),
                expires_at=instant(self.expires_at),
                **self._options(),
            )
            for key in keys
        ]
        mask_links(links, hook.store.config.credentials())
        if warnings := list(dict.fromkeys(warning for link in links for warning in link.warnings)):
            context["ti"].xcom_push("warnings", warnings)
        describe = self._recipe if self.emit == "recipe" else self._result
        made = [describe(hook, key, link) for key, link in zip(keys, links, strict=True)]
        return made[0] if isinstance(self.key, str) else made

    def _result(self, hook: ObjectStorageHook, key: str, link: PresignedURL) -> dict[str, Any]:
        from aksk_provider.storage.presigning.handover import result_fields

        if self.handover:
            mask_secret(html.escape(link.url))
        return {
            "uri": hook.uri(key, self.bucket),
            "method": link.method,
            "url": link.url,
            "expires_at": link.expires_at.isoformat(),
            "signed_headers": dict(link.signed_headers),
            **result_fields(self.handover, link, key),
        }

    def _recipe(self, hook: ObjectStorageHook, key: str, _link: PresignedURL) -> dict[str, Any]:
        from aksk_provider.storage.presigning.recipes import Recipe

        seconds, end = lifetime(self.expires_in), instant(self.expires_at)
        vendor, _, place = hook.uri(key, self.bucket).partition("://")
        bucket, _, name = place.partition("/")
        given = {name: value for name, value in self._options().items() if value is not None}
        if "content_length" in given:
            given["content_length"] = int(given["content_length"])
        return Recipe(
            vendor=vendor,
            bucket=bucket,
            key=name,
            conn_id=self.aksk_conn_id,
            lifetime=None if seconds is None else int(seconds.total_seconds()),
            expires_at=None if end is None else end.isoformat(),
            **given,
        ).to_dict()

    def _options(self) -> dict[str, Any]:
        """Return what ``presign`` and a recipe call by the same names."""
        return {
            "method": self.method,
            "headers": self.headers,
            "params": self.query_params,
            "version_id": self.version_id,
            "endpoint": self.endpoint,
            "clamp": self.clamp,
            **{name: getattr(self, name) for name in _SPECIAL},
        }
