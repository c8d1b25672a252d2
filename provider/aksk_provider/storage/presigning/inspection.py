"""What a link says about itself: when it dies, and which of its parts are secret. Any link, whoever made it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from urllib.parse import quote, unquote, urlsplit

_SECRET_NAME = re.compile(r"(?:^|-)(?:signature|token|sig)$|^(?:accesstoken|authorization|policy|sign)$")
_LINK = re.compile(r"https?://[^\s'\"<>\\]+\?[^\s'\"<>\\]+")
# how JSON in templates, and HTML, write the & of a link
_ESCAPED_AND = re.compile(r"\\+u0026|&amp;", re.IGNORECASE)
_STAMP = "%Y%m%dT%H%M%SZ"


def place(url: str) -> str:
    """Return the part of a link that may be shown: scheme, host and path."""
    return url.partition("?")[0].partition("#")[0]


def expires_at(url: str) -> datetime | None:
    """Return when a link says that it dies; ``None`` where it does not tell, or says that it never does.

    Read are BOS, OSS version 4 and 1, COS, and AWS version 4.
    """
    params = {name.lower(): value for name, value in _params(url).items()}
    for read in (_bos, _cos, _dated, _unix):
        try:
            found = read(params)
        except (KeyError, ValueError, OverflowError, OSError):
            continue
        if found:
            return found
    return None


def secrets(url: str) -> list[str]:
    """Return every text that must not be shown of a link: itself, signature and token, also percent-encoded."""
    return [url, quote(url, safe=""), *secret_parts(url)]


def secret_parts(url: str) -> list[str]:
    """Return the signature and the token of a link, also percent-encoded: without them it is worth nothing."""
    values = [value for name, value in _params(url).items() if value and _SECRET_NAME.search(name.lower())]
    parts = [value.rpartition("/")[2] if value.startswith("bce-auth-v1/") else value for value in values]
    return [form for part in parts for form in encoded_forms(part)]


def encoded_forms(secret: str) -> list[str]:
    """Return a secret as it is, percent-encoded, and percent-encoded twice; each form once."""
    once = quote(secret, safe="")
    return list(dict.fromkeys([secret, once, quote(once, safe="")]))


def links_in(text: str) -> list[str]:
    """Return the links that a text holds: URLs with a query, also as JSON and HTML escape them."""
    return _LINK.findall(_ESCAPED_AND.sub("&", text))


def _params(url: str) -> dict[str, str]:
    pairs = (part.partition("=") for part in urlsplit(url).query.split("&") if part)
    return {unquote(name): unquote(value) for name, _, value in pairs}


def _bos(params: Mapping[str, str]) -> datetime | None:
    """``authorization=bce-auth-v1/{access key}/{start}/{seconds}/...``; -1 seconds is for ever."""
    _, _, start, seconds, *_ = params["authorization"].split("/")
    began = datetime.strptime(start, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc)
    return began + timedelta(seconds=int(seconds)) if int(seconds) >= 0 else None


def _cos(params: Mapping[str, str]) -> datetime:
    """``q-sign-time={start};{end}``; a link of a form that has all of it in one parameter calls that ``sign``."""
    fields = params if "q-sign-time" in params else dict(f.partition("=")[::2] for f in params["sign"].split("&"))
    ends = [fields[name].partition(";")[2] for name in ("q-sign-time", "q-key-time") if name in fields]
    return min(datetime.fromtimestamp(int(end), timezone.utc) for end in ends)


def _dated(params: Mapping[str, str]) -> datetime:
    """``x-oss-date`` and ``x-oss-expires``; those of S3 begin with ``x-amz-``."""
    prefix = "x-oss-" if "x-oss-date" in params else "x-amz-"
    start = datetime.strptime(params[f"{prefix}date"], _STAMP).replace(tzinfo=timezone.utc)
    return start + timedelta(seconds=int(params[f"{prefix}expires"]))


def _unix(params: Mapping[str, str]) -> datetime | None:
    """``Expires`` beside ``Signature``, as OSS version 1 has them."""
    return datetime.fromtimestamp(int(params["expires"]), timezone.utc) if "signature" in params else None
