"""What the differential tests draw: object keys, queries, headers, credentials and times."""

from __future__ import annotations

import string
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from hypothesis import strategies as st

from aksk_provider.signing import Credentials, Request

TROUBLE = " +%~*'()?&#=;:@,!$/\\\"<>[]{}|^`.-_\u00e9\u4e2d\u6587\u0301\U0001f600\U00020bb7"
ASCII_VALUE = string.ascii_letters + string.digits + string.punctuation + " \t"
TOKEN_CHARACTERS = string.ascii_letters + string.digits + "!#$%&'*+-.^_`|~"
METHODS = ("GET", "PUT", "POST", "DELETE", "HEAD")


def texts(longest: int, shortest: int = 0) -> st.SearchStrategy[str]:
    """Draw text of which half is trouble; ``st.text`` would draw it as rarely as any other character."""
    character = st.one_of(st.sampled_from(TROUBLE), st.characters(codec="utf-8"))
    return st.lists(character, min_size=shortest, max_size=longest).map("".join)


@dataclass(frozen=True, slots=True)
class Spelling:
    """One of the ways to percent-encode the same text; a signer has to read all of them."""

    safe: str
    lower_hex: bool = False
    bare_empty: bool = False

    def text(self, text: str, safe: str = "") -> str:
        encoded = quote(text, safe=self.safe + safe)
        if not self.lower_hex:
            return encoded
        return "".join(part[:2].lower() + part[2:] if at else part for at, part in enumerate(split_escapes(encoded)))

    def path(self, key: str) -> str:
        return self.text(key, safe="/" + ("&=+;" if self.safe else ""))

    def query(self, pairs: list[tuple[str, str]]) -> str:
        parts = [
            self.text(name) + ("" if self.bare_empty and not value else "=" + self.text(value)) for name, value in pairs
        ]
        return "?" + "&".join(parts) if parts else ""


def split_escapes(encoded: str) -> list[str]:
    """Split at every ``%``, which is left at the head of its part."""
    first, *rest = encoded.split("%")
    return [first, *("%" + part for part in rest)]


spellings = st.sampled_from(
    [
        Spelling(""),
        Spelling("!$'()*,:@~"),
        Spelling("", lower_hex=True),
        Spelling("!$'()*,:@~", bare_empty=True),
    ]
)


@dataclass(frozen=True, slots=True)
class Case:
    """One request to sign, before it has a host."""

    method: str
    key: str
    params: list[tuple[str, str]]
    headers: dict[str, str]
    credentials: Credentials
    now: datetime
    seconds: int
    spelling: Spelling

    @property
    def expires_in(self) -> timedelta:
        """The lifetime, with a part of a second that has to be dropped."""
        return timedelta(seconds=self.seconds, milliseconds=700)

    def request(self, base: str) -> Request:
        """Return the request under a base URL that ends before the slash of the key."""
        url = f"{base}/{self.spelling.path(self.key)}{self.spelling.query(self.params)}"
        return Request(self.method, url, self.headers)


def has_no_dot_segment(key: str) -> bool:
    """Leave out keys with a ``.`` or ``..`` segment: every signer refuses them, see test_refusals.py."""
    return not {".", ".."} & set(key.split("/"))


keys = st.builds(
    "{}{}{}".format,
    st.sampled_from(["", "", "", "/", "//"]),
    texts(16, 1),
    st.sampled_from(["", "", "/", "//"]),
).filter(has_no_dot_segment)

param_names = st.one_of(
    st.sampled_from(["acl", "versionId", "partNumber", "prefix", "text", "text1", "text10", "response-content-type"]),
    texts(6, 1),
)
params = st.lists(st.tuples(param_names, st.one_of(st.just(""), texts(8))), max_size=5)

padding = st.sampled_from(["", "", "", " ", "  ", "\t", " \t"])
header_values = st.builds("{}{}{}".format, padding, st.text(ASCII_VALUE, max_size=12), padding)


def headers(names: list[str], meta_prefix: str) -> st.SearchStrategy[dict[str, str]]:
    """Draw headers in any letter case, some with user metadata, some empty or padded."""
    any_name = st.one_of(
        st.sampled_from(names),
        st.text(TOKEN_CHARACTERS, min_size=1, max_size=5).map(meta_prefix.__add__),
    )
    any_case = st.builds(lambda name, case: case(name), any_name, st.sampled_from([str, str.title, str.upper]))
    pairs = st.tuples(any_case, header_values)
    return st.lists(pairs, max_size=6, unique_by=lambda pair: pair[0].lower()).map(dict)


tokens = st.text(string.ascii_letters + string.digits + "+/=-_.~%&;:*'()", min_size=1, max_size=24)
credentials = st.builds(
    Credentials,
    access_key=st.text(string.ascii_letters + string.digits, min_size=1, max_size=20),
    secret_key=st.text(string.ascii_letters + string.digits + string.punctuation, min_size=1, max_size=24),
    token=st.one_of(st.none(), tokens),
)
times = st.datetimes(
    datetime(2001, 1, 1),  # noqa: DTZ001
    datetime(2099, 1, 1),  # noqa: DTZ001
    timezones=st.sampled_from([timezone(timedelta(hours=hours, minutes=45)) for hours in (-11, -4, 0, 5, 13)]),
)


def cases(
    header_strategy: st.SearchStrategy[dict[str, str]],
    *,
    keys: st.SearchStrategy[str] = keys,
    params: st.SearchStrategy[list[tuple[str, str]]] = params,
    methods: tuple[str, ...] = METHODS,
    longest: int = 604_800,
) -> st.SearchStrategy[Case]:
    """Draw whole cases; what a vendor's SDK cannot do is replaced by a strategy of sdk_limits.py."""
    return st.builds(
        Case,
        method=st.sampled_from(methods),
        key=keys,
        params=params,
        headers=header_strategy,
        credentials=credentials,
        now=times,
        seconds=st.integers(1, longest),
        spelling=spellings,
    )


def without_padding(headers: dict[str, str]) -> dict[str, str]:
    """Return the headers as a server reads them: HTTP drops white space around a value (RFC 9110, 5.5)."""
    return {name: value.strip() for name, value in headers.items()}


def target(url: str) -> tuple[str, str, str, list[tuple[str, str]]]:
    """Return what a URL addresses, however it is spelled: scheme, host, decoded path and sorted decoded query."""
    parts = urlsplit(url)
    pairs = parse_qsl(parts.query.replace("+", "%2B"), keep_blank_values=True)
    return parts.scheme, parts.netloc, unquote(parts.path), sorted(pairs)
