"""Submits upload forms as a client without a browser does."""

from __future__ import annotations

from collections.abc import Mapping

import requests

from aksk_provider.signing.forms import PostForm


def submit(
    form: PostForm,
    content: bytes,
    *,
    file_name: str = "report.csv",
    content_type: str | None = "text/csv",
    changes: Mapping[str, str | None] | None = None,
) -> requests.Response:
    """Send a form with a file.

    :param changes: fields to send otherwise or besides; ``None`` leaves one out
    """
    fields = {**form.fields, **(changes or {})}
    parts = [(name, (None, value)) for name, value in fields.items() if value is not None]
    parts.append(("file", (file_name, content, content_type)))  # type: ignore[arg-type]
    with requests.Session() as session:
        session.trust_env = False
        return session.post(form.url, files=parts, timeout=30, allow_redirects=False)  # type: ignore[arg-type]
