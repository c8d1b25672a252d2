"""Hand out upload tickets."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from airflow.sdk import BaseOperator, Context
from airflow.sdk.log import mask_secret

from aksk_provider.errors import InvalidRequestError
from aksk_provider.hooks.object_storage import ObjectStorageHook

_OF_FORMS = ("key_prefix", "min_size", "max_size", "content_type_prefix", "success_status", "success_redirect")
_OF_PARTS = ("size", "part_size")
_NUMBERS = ("min_size", "max_size", "success_status", "size", "part_size")
_SIGNATURE = re.compile(r"[0-9a-f]{40,}$|(?<=signature=)[0-9a-f]{40,}")


class UploadTicketOperator(BaseOperator):
    """Make a ticket by which somebody without any key can upload a file: a form, or an upload in parts.

    XCom of a form: ``kind, uri, url, fields, to_fill, not_enforced, expires_at``; of an upload in parts:
    ``kind, vendor, uri, size, part_size, parts, complete, abort, expires_at``. The ticket is a secret while it lives:
    it is masked in this task's log, not in XCom.

    :param kind: ``form``, for a browser or one request of up to 5 GiB, or ``multipart``, for a file of a known size
    :param key: key or URI of the object
    :param key_prefix: instead of a key, what it must start with; the sender names the file (form)
    :param bucket: bucket, by default the connection's
    :param min_size: smallest file in bytes (form)
    :param max_size: largest file in bytes (form)
    :param size: size of the file in bytes (multipart)
    :param part_size: bytes of each part but the last, by default 64 MiB or more (multipart)
    :param content_type: ``Content-Type`` of the object
    :param content_type_prefix: instead of a type, what it must start with (form, not BOS)
    :param metadata: user metadata of the object
    :param success_status: status of a successful answer: 200, 201 or 204 (form)
    :param success_redirect: URL that a browser goes to after a successful upload (form)
    :param expires_in: lifetime, as a timedelta or in seconds; by default one hour
    :param aksk_conn_id: id of a connection of type ``aksk``
    """

    template_fields: Sequence[str] = (
        "kind",
        "key",
        "key_prefix",
        "bucket",
        "min_size",
        "max_size",
        "size",
        "part_size",
        "content_type",
        "content_type_prefix",
        "metadata",
        "success_status",
        "success_redirect",
        "expires_in",
        "aksk_conn_id",
    )
    ui_color = "#fff2cc"

    def __init__(
        self,
        *,
        kind: str = "form",
        key: str | None = None,
        key_prefix: str | None = None,
        bucket: str | None = None,
        min_size: int | str | None = None,
        max_size: int | str | None = None,
        size: int | str | None = None,
        part_size: int | str | None = None,
        content_type: str | None = None,
        content_type_prefix: str | None = None,
        metadata: Mapping[str, str] | None = None,
        success_status: int | str | None = None,
        success_redirect: str | None = None,
        expires_in: timedelta | float | str | None = None,
        aksk_conn_id: str = ObjectStorageHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.kind = kind
        self.key = key
        self.key_prefix = key_prefix
        self.bucket = bucket
        self.min_size = min_size
        self.max_size = max_size
        self.size = size
        self.part_size = part_size
        self.content_type = content_type
        self.content_type_prefix = content_type_prefix
        self.metadata = metadata
        self.success_status = success_status
        self.success_redirect = success_redirect
        self.expires_in = expires_in
        self.aksk_conn_id = aksk_conn_id

    def execute(self, context: Context) -> dict[str, Any]:
        """Make the ticket; one in parts begins an upload at the store."""
        from aksk_provider.storage.presigning import tickets

        hook = ObjectStorageHook(self.aksk_conn_id)
        if self.kind == "form":
            form = hook.form_ticket(self.key, self.bucket, **self._given("form", _OF_FORMS, _OF_PARTS))
            _mask(form.secrets)
            for name in form.not_enforced:
                self.log.warning("the policy of this vendor cannot hold the sender to the field %s", name)
            uri = hook.uri(self.key, self.bucket) if self.key else None
            return {"kind": "form", "uri": uri, **tickets.form_document(form)}
        if self.kind == "multipart":
            options = self._given("multipart", _OF_PARTS, _OF_FORMS)
            if self.key is None or "size" not in options:
                raise InvalidRequestError("a ticket for an upload in parts needs a key and the size of the file")
            ticket = hook.multipart_ticket(self.key, self.bucket, **options)
            _mask(tickets.links_of(ticket))
            return {"kind": "multipart", **ticket}
        raise InvalidRequestError(f"kind must be form or multipart, not {self.kind!r}")

    def _given(self, kind: str, own: Sequence[str], others: Sequence[str]) -> dict[str, Any]:
        """Return the arguments that were given, refusing those of the other kind."""
        wrong = [name for name in others if getattr(self, name) not in (None, "")]
        if wrong:
            raise InvalidRequestError(f"a ticket of kind {kind} takes no {', '.join(wrong)}")
        given = {name: getattr(self, name) for name in (*own, "content_type", "metadata", "expires_in")}
        given = {name: value for name, value in given.items() if value not in (None, "")}
        for name in given.keys() & {*_NUMBERS, "expires_in"}:
            given[name] = _number(name, given[name])
        return given


def _number(name: str, value: Any) -> Any:
    """Read what a template gave."""
    if isinstance(value, timedelta):
        return value
    try:
        return timedelta(seconds=float(value)) if name == "expires_in" else int(value)
    except ValueError as error:
        raise InvalidRequestError(f"{name} must be a number, not {value!r}") from error


def _mask(secrets: Sequence[str]) -> None:
    for secret in secrets:
        mask_secret(secret)
        for signature in _SIGNATURE.findall(secret):
            mask_secret(signature)
