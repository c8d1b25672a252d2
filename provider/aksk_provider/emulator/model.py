"""The values that travel through the emulator: who may ask, what was asked, and why it was refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import unquote_to_bytes

from aksk_provider.signing import Request


@dataclass(frozen=True, slots=True)
class Account:
    """A key pair that the emulator accepts.

    :param access_key: access key id
    :param secret_key: secret access key
    :param token: session token; then requests must carry it, and without one they must not
    :param expires_at: when a temporary key pair dies, as an aware datetime
    """

    access_key: str
    secret_key: str = field(repr=False)
    token: str | None = field(default=None, repr=False)
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Bucket:
    """A bucket that the emulator serves.

    :param vendor: ``bos``, ``oss`` or ``cos``
    :param name: name; for COS with its ``-APPID``
    :param versioned: whether every write keeps the versions before it
    """

    vendor: str
    name: str
    versioned: bool = False


class Refused(Exception):  # noqa: N818 - it is an answer, not a failure
    """The request is answered with an error.

    :param code: the vendors' common name of the error; a dialect may spell it otherwise
    :param message: what to tell the user; by default the code's own text
    :param details: further fields of an XML error body
    """

    def __init__(self, code: str, message: str = "", **details: str) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message
        self.details = details


@dataclass(frozen=True, slots=True)
class Inbound:
    """A request as it arrived, nothing decoded but the names and values of the query.

    :param method: HTTP method
    :param path: path of the request target, still percent-encoded, always with a leading slash
    :param query: query of the request target, still percent-encoded
    :param headers: headers under lower-case names
    :param request_id: what the answer and its errors call this request
    """

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    request_id: str

    @property
    def host(self) -> str:
        """The Host header, port included."""
        return self.headers.get("host", "")

    @property
    def params(self) -> dict[str, str]:
        """The decoded query; of a repeated name the last value counts. ``+`` stands for itself."""
        return decoded_query(self.query)

    def as_signed(self, query: str | None = None) -> Request:
        """Return the request as the signers read it: they look at method, path, query and headers only."""
        query = self.query if query is None else query
        url = f"http://emulator{self.path}{'?' if query else ''}{query}"
        return Request(self.method, url, self.headers)


def decoded(text: str) -> str:
    """Decode percent-encoded UTF-8."""
    try:
        return unquote_to_bytes(text).decode()
    except UnicodeDecodeError as error:
        raise Refused("InvalidURI", "The URI is not UTF-8 after percent-decoding.") from error


def decoded_query(query: str) -> dict[str, str]:
    """Decode a query; a name without ``=`` has an empty value."""
    pairs = (part.partition("=") for part in query.split("&") if part)
    return {decoded(name): decoded(value) for name, _, value in pairs}
