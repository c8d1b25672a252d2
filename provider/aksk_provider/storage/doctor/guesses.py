"""Why a signature is not what its secret key gives: one change after another is undone until it is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from urllib.parse import unquote, urlsplit, urlunsplit

from aksk_provider.errors import InvalidRequestError
from aksk_provider.signing import Request, encoding, oss, recompute
from aksk_provider.signing.decode import Decoded
from aksk_provider.storage.config import StoreConfig
from aksk_provider.storage.doctor.places import Place, locate_url

METHODS = ("GET", "PUT", "HEAD", "POST", "DELETE")
_LIFETIMES = (60, 300, 600, 900, 1200, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400, 259_200, 604_800)
_UNSIGNED = ("x-oss-signature", "authorization", "sign", "security-token")
_TOKENS = ("x-bce-security-token", "x-oss-security-token", "x-cos-security-token")


@dataclass(frozen=True, slots=True)
class Case:
    """A request and what its signature says of itself; :attr:`change` tells how it differs from the one that came."""

    request: Request
    decoded: Decoded
    resource: str
    change: str = ""

    def fits(self, secret_key: str) -> bool:
        """Tell whether the secret key gives this signature."""
        try:
            signed = recompute.signed_text(self.decoded, self.request, self.resource)
        except InvalidRequestError:
            return False
        return recompute.signature(self.decoded, signed, secret_key) == self.decoded.signature

    def sent_to(self, url: str, change: str, resource: str | None = None) -> Case:
        """Return the same with another URL."""
        request = Request(self.request.method, url, self.request.headers)
        return Case(request, self.decoded, self.resource if resource is None else resource, change)


def fitting_method(case: Case, secret_key: str, methods: tuple[str, ...] = METHODS) -> str | None:
    """Return the method for which the signature is right."""
    for method in methods:
        if replace(case, request=Request(method, case.request.url, case.request.headers)).fits(secret_key):
            return method
    return None


def what_was_changed(case: Case, secret_key: str, config: StoreConfig) -> str | None:
    """Return the one change that explains a wrong signature, in words; ``None`` when none does."""
    for guess in (*_guesses(case, config),):
        if fitting_method(guess, secret_key):
            return guess.change
    return None


def _guesses(case: Case, config: StoreConfig) -> Iterator[Case]:
    yield from _queries(case, config)
    yield from _hosts(case, config)
    yield from _paths(case)
    yield from _fields(case, config)


def _queries(case: Case, config: StoreConfig) -> Iterator[Case]:
    url = case.request.url
    for name in dict.fromkeys(unquote(part.partition("=")[0]) for part in urlsplit(url).query.split("&") if part):
        if name.lower() in (*_UNSIGNED, *_TOKENS) or name.lower().startswith(("x-oss-", "q-")):
            continue
        text = f"the parameter {name} was added after it was signed"
        yield case.sent_to(encoding.without_query(url, (name.lower(),)), text)
    token_name = next(name for name in _TOKENS if name.startswith(config.vendor.headers))
    without = encoding.without_query(url, (token_name,))
    yield case.sent_to(without, "it was signed without a token, which was added later")
    if token := config.credentials().token:
        told = "it was signed with the token of the connection, and another or none is in it"
        yield case.sent_to(encoding.with_query(without, [(token_name, token)]), told)
    yield case.sent_to(url.replace("+", "%20"), "a space was written as '+' after it was signed")


def _hosts(case: Case, config: StoreConfig) -> Iterator[Case]:
    parts = urlsplit(case.request.url)
    bucket = config.bucket
    if parts.port:
        yield _with_host(case, parts.hostname or "", "the host was signed without its port, as Tencent's SDK does")
    for endpoint in (config.endpoint, config.public_endpoint):
        if endpoint is not None:
            there = urlsplit(endpoint.url(bucket, "")).netloc
            yield _with_host(case, there, f"it was signed for the host {there}")


def _with_host(case: Case, host: str, change: str) -> Case:
    headers = {name: value for name, value in case.request.headers.items() if name.lower() != "host"}
    request = Request(case.request.method, case.request.url, {**headers, "Host": host})
    return replace(case, request=request, change=change)


def _paths(case: Case) -> Iterator[Case]:
    parts = urlsplit(case.request.url)
    bucket, _, key = case.resource[1:].partition("/")
    for path, told in (
        (re.sub("%25(?=[0-9A-Fa-f]{2})", "%", parts.path), "its key was percent-encoded once more after it was signed"),
        (parts.path.replace("+", "%20"), "a space of the key was written as '+' after it was signed"),
        (f"/{bucket}{parts.path}", "it was signed for the bucket in the path, not in the host"),
        (parts.path.removeprefix(f"/{bucket}") or "/", "it was signed for the bucket in the host, not in the path"),
        (f"/{parts.path}", "a slash before the key was left out after it was signed"),
        (parts.path[1:] if parts.path.startswith("//") else parts.path, "a slash was put before the key"),
    ):
        if path != parts.path and path.isascii() and " " not in path:
            moved = urlunsplit((parts.scheme, parts.netloc, path, parts.query, ""))
            yield case.sent_to(moved, told, _resource(case.resource, path))
    if key:
        yield replace(case, resource=f"/{key}", change="it was signed without its bucket")


def _resource(resource: str, path: str) -> str:
    bucket = resource[1:].partition("/")[0]
    key = unquote(path).removeprefix("/")
    return f"/{bucket}/{key.removeprefix(f'{bucket}/')}"


def _fields(case: Case, config: StoreConfig) -> Iterator[Case]:
    decoded = case.decoded
    if decoded.version == oss.ALGORITHM:
        place = locate_url(config.vendor, case.request.url, config)
        yield from _regions(case, config, place)
    if "lifetime" in decoded.fields:
        for seconds in _LIFETIMES:
            changed = replace(decoded, fields={**decoded.fields, "lifetime": str(seconds)})
            url = case.request.url.replace(f"x-oss-expires={decoded.fields['lifetime']}", f"x-oss-expires={seconds}")
            told = f"its lifetime was {seconds} s when it was signed, not {decoded.fields['lifetime']} s"
            yield replace(case.sent_to(url, told), decoded=changed)
    if "q-key-time" in decoded.fields:
        start, _, end = decoded.fields["q-key-time"].partition(";")
        for seconds in (*_LIFETIMES, *(seconds + 60 for seconds in _LIFETIMES)):
            changed = replace(decoded, fields={**decoded.fields, "q-key-time": f"{start};{int(start) + seconds}"})
            told = f"it ended {seconds} s after its start when it was signed, not {int(end) - int(start)} s"
            yield replace(case, decoded=changed, change=told)


def _regions(case: Case, config: StoreConfig, place: Place) -> Iterator[Case]:
    decoded = case.decoded
    for region in filter(None, (config.region, place.region)):
        scope = decoded.fields["scope"].replace(f"/{decoded.region}/", f"/{region}/")
        url = case.request.url.replace(f"%2F{decoded.region}%2F", f"%2F{region}%2F")
        changed = replace(decoded, region=region, fields={**decoded.fields, "scope": scope})
        told = f"it was signed for the region {region}, not {decoded.region}"
        yield replace(case.sent_to(url, told), decoded=changed)
