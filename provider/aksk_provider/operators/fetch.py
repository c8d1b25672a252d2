"""Use a link: download from it, or upload to it."""

from __future__ import annotations

import ast
import json
import threading
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator, Context

from aksk_provider.errors import InvalidRequestError
from aksk_provider.hooks.links import mask_links_in
from aksk_provider.hooks.object_storage import ObjectStorageHook

if TYPE_CHECKING:
    import jinja2

    from aksk_provider.storage.presigning.recipes import Recipe


class FetchURLOperator(BaseOperator):
    """Download from a link to a file that appears only when it is whole and checked, or upload a file to a link.

    XCom of a download: ``path, size, etag, crc64``; of an upload: ``size, etag, crc64``.

    The link may be that of any of the three clouds, or any other URL. It is masked in the log and among the rendered
    templates. A link that is written in the DAG's file is stored with the DAG, though: pass it on from another task, or
    better as a recipe, which is signed in this task and holds no secret.

    :param url: the link, as a URL, as what ``PresignURLOperator`` returned, or as a recipe
    :param target: path of the file on the worker to download to; missing folders are made
    :param source: path of the file on the worker to upload, instead of ``target``
    :param headers: headers the link was signed with; those that a result or recipe names are sent anyway
    :param checksum: what the checksum must be: ``sha256:`` (or another hash) and hex digits, or a decimal number:
        CRC-64/XZ, of BOS CRC-32
    :param overwrite: ``False`` fails the task when the file exists
    :param max_attempts: how often it is tried without getting any further
    :param deadline: time it may take
    """

    template_fields: Sequence[str] = ("url", "target", "source", "headers", "checksum")
    ui_color = "#d9ead3"

    def __init__(
        self,
        *,
        url: str | Mapping[str, Any] | Recipe,
        target: str | None = None,
        source: str | None = None,
        headers: Mapping[str, str] | None = None,
        checksum: str | None = None,
        overwrite: bool = True,
        max_attempts: int = 5,
        deadline: timedelta | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.url = url
        self.target = target
        self.source = source
        self.headers = headers
        self.checksum = checksum
        self.overwrite = overwrite
        self.max_attempts = max_attempts
        self.deadline = deadline

    def render_template(
        self,
        content: Any,
        context: Context,
        jinja_env: jinja2.Environment | None = None,
        seen_oids: set[int] | None = None,
    ) -> Any:
        """Render, and mask the links that come out before Airflow stores what was rendered."""
        rendered = super().render_template(content, context, jinja_env, seen_oids)
        mask_links_in(rendered)
        return rendered

    def execute(self, context: Context) -> dict[str, Any]:
        """Download or upload."""
        from aksk_provider.storage.presigning.client import FetchOptions
        from aksk_provider.storage.presigning.fetch import download_url, upload_url

        if (self.target is None) == (self.source is None):
            raise InvalidRequestError("give a target to download to, or a source to upload: one of them")
        url, headers = self._link("GET" if self.source is None else "PUT")
        options = FetchOptions(max_attempts=self.max_attempts, deadline=self.deadline)
        given: dict[str, Any] = {
            "headers": {**headers, **(self.headers or {})},
            "checksum": self.checksum,
            "options": options,
            "cancelled": self._cancelled,
        }
        if self.source is not None:
            sent = upload_url(url, self.source, **given)
            self.log.info("uploaded %d bytes from %s", sent.size, self.source)
            return asdict(sent)
        fetched = download_url(url, str(self.target), overwrite=self.overwrite, **given)
        self.log.info("downloaded %d bytes to %s", fetched.size, fetched.path)
        return asdict(fetched)

    def on_kill(self) -> None:
        """Stop soon; nothing is left beside the target."""
        self._cancelled.set()

    def _link(self, method: str) -> tuple[str, Mapping[str, str]]:
        """Return URL and required headers of what was given, which must be good for the method."""
        from aksk_provider.storage.presigning.recipes import Recipe, is_recipe

        link = self.url if not isinstance(self.url, str) else _parsed(self.url)
        if isinstance(link, str):
            return link, {}
        if isinstance(link, Recipe) or is_recipe(link):
            signed = ObjectStorageHook.sign_recipe(link)
            link = {"url": signed.url, "method": signed.method, "signed_headers": signed.signed_headers}
        if not isinstance(link, Mapping) or not isinstance(link.get("url"), str):
            raise InvalidRequestError(f"url must be a URL, a result with a url, or a recipe, not {type(link).__name__}")
        if link.get("method", method) != method:
            use = "a source is uploaded with PUT" if method == "PUT" else "a target is downloaded with GET"
            raise InvalidRequestError(f"the link is for {link['method']}, and {use}")
        return link["url"], link.get("signed_headers") or {}

    @cached_property
    def _cancelled(self) -> threading.Event:
        return threading.Event()


def _parsed(text: str) -> Any:
    """Return the URL, or the dictionary that a template has turned into text."""
    text = text.strip()
    if not text.startswith("{"):
        return text
    for read in (json.loads, ast.literal_eval):
        try:
            return read(text)
        except (ValueError, SyntaxError):
            continue
    raise InvalidRequestError("url begins as a dictionary and is none: pass it as task.output, or with | tojson")
