"""The connections to a store: urllib3's pools, found with the proxies and certificates that requests would take."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Protocol

import requests
import urllib3
from requests.adapters import HTTPAdapter
from requests.utils import select_proxy
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ClosedPoolError

from aksk_provider.signing import Request
from aksk_provider.storage.bodies import Body

#: an answer whose body is read from it, undecoded, and which is closed by its reader
Response = urllib3.BaseHTTPResponse
_POOL = 64
_PACKED = 32 * 1024
_ONCE = urllib3.Retry(False)
_AUTHORITY_END = re.compile(r"[/?]|$")


class Settings(Protocol):
    """What connections are made with: a store's configuration, or how a link is used."""

    @property
    def verify(self) -> bool | str:
        """Whether to verify TLS certificates, or the path of a CA bundle."""
        ...

    @property
    def proxies(self) -> Mapping[str, str]:
        """Proxy URL by scheme."""
        ...

    @property
    def connect_timeout(self) -> float:
        """Seconds to wait for a connection."""
        ...

    @property
    def read_timeout(self) -> float:
        """Seconds to wait between two bytes of an answer."""
        ...


class _Packing(HTTPConnection):
    """Sends a request whose body is small in one piece: another packet, and the server's waking up twice, cost more."""

    _packed: bytes | None = None

    def request(self, *arguments: Any, **options: Any) -> None:
        self._packed = b""
        try:
            super().request(*arguments, **options)
            self._flush()
        finally:
            self._packed = None

    def send(self, data: Any) -> None:
        if self._packed is not None and len(self._packed) + len(data) <= _PACKED:
            self._packed += data
            return
        self._flush()
        super().send(data)

    def _flush(self) -> None:
        packed, self._packed = self._packed, None
        if packed:
            super().send(packed)


class _PackingTLS(_Packing, HTTPSConnection):
    """The same over TLS."""


_CLASSES = {HTTPConnection: _Packing, HTTPSConnection: _PackingTLS}


def environment(config: Settings, url: str) -> Mapping[str, Any]:
    """Return ``proxies``, ``verify`` and ``cert`` for a URL; the configuration's win over the environment's."""
    with requests.Session() as session:
        return session.merge_environment_settings(url, dict(config.proxies), True, config.verify, None)


class Connections:
    """Sends requests as they are: no cookies, no ``.netrc``, no redirects, no second attempt.

    requests looks up pool, proxy and certificates for each request; here it is done once for each host, which takes
    half off the time of a small request.

    :param config: endpoint, proxies, certificates and time-outs; they win over the environment's
    """

    def __init__(self, config: Settings) -> None:
        self._config = config
        self._adapter = HTTPAdapter(pool_connections=_POOL, pool_maxsize=_POOL)
        self._timeout = urllib3.Timeout(connect=config.connect_timeout, read=config.read_timeout)
        self._routes: dict[str, tuple[urllib3.HTTPConnectionPool, bool]] = {}

    def close(self) -> None:
        """Close the connections."""
        self._adapter.close()

    def exchange(self, request: Request, body: bytes | Body | None) -> Response:
        """Send and return the answer with its body unread, undecoded.

        :param request: with the headers that are sent, ``Host`` and ``Content-Length`` among them
        :raises urllib3.exceptions.HTTPError: there is no answer
        """
        origin = request.url[: _AUTHORITY_END.search(request.url, len("https://")).start()]  # type: ignore[union-attr]
        path = request.url[len(origin) :]
        while True:
            pool, proxied = self._routes.get(origin) or self._find_route(origin)
            try:
                return pool.urlopen(
                    request.method,
                    request.url if proxied else path if path.startswith("/") else f"/{path}",
                    body=body,
                    headers=request.headers,
                    retries=_ONCE,
                    redirect=False,
                    assert_same_host=False,
                    timeout=self._timeout,
                    preload_content=False,
                    decode_content=False,
                )
            except ClosedPoolError:  # of a host not used for long, or of a store that was closed
                self._routes.pop(origin, None)

    def proxy(self, url: str) -> str | None:
        """Return the proxy that requests to a URL go through."""
        return select_proxy(url, environment(self._config, url)["proxies"])

    def _find_route(self, origin: str) -> tuple[urllib3.HTTPConnectionPool, bool]:
        """Return the pool for a host, and whether its proxy must be told the whole URL."""
        request = requests.Request("GET", f"{origin}/").prepare()
        settings = environment(self._config, f"{origin}/")
        verify, proxies, cert = settings["verify"], settings["proxies"], settings["cert"]
        pool: Any = self._adapter.get_connection_with_tls_context(request, verify, proxies=proxies, cert=cert)
        self._adapter.cert_verify(pool, request.url, verify, cert)  # type: ignore[no-untyped-call]
        pool.ConnectionCls = _CLASSES.get(pool.ConnectionCls, pool.ConnectionCls)
        route = pool, self._adapter.request_url(request, proxies) != "/"
        self._routes[origin] = route
        return route
