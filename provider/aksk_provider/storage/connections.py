"""The connections to a store: urllib3 makes them, with the proxies and certificates that requests would take."""

from __future__ import annotations

import logging
import re
import socket
import ssl
import weakref
from collections import deque
from collections.abc import Mapping
from functools import partial
from http.client import HTTPException
from typing import Any, Protocol

import requests
from requests.adapters import HTTPAdapter
from requests.utils import select_proxy
from urllib3.connection import HTTPConnection
from urllib3.exceptions import HTTPError, ProxyError, SSLError
from urllib3.util.proxy import connection_requires_http_tunnel
from urllib3.util.ssl_match_hostname import CertificateError

from aksk_provider.signing import Request
from aksk_provider.storage import http1
from aksk_provider.storage.bodies import Body
from aksk_provider.storage.http1 import Response

log = logging.getLogger(__name__)
#: what sending a request and reading its answer raise when there is none, or none in full
NO_ANSWER = (HTTPError, HTTPException, OSError)
_IDLE = 64
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


def environment(config: Settings, url: str) -> Mapping[str, Any]:
    """Return ``proxies``, ``verify`` and ``cert`` for a URL; the configuration's win over the environment's."""
    with requests.Session() as session:
        return session.merge_environment_settings(url, dict(config.proxies), True, config.verify, None)


class _Route:
    """The way to one host: the connections that are idle, and the making of further ones.

    :param factory: urllib3's pool for the host, or for the proxy that is told the whole URL
    :param origin: the host, as a URL begins
    """

    def __init__(self, factory: Any, origin: str, config: Settings) -> None:
        self._factory = factory
        self._config = config
        self._tunnel = connection_requires_http_tunnel(factory.proxy, factory.proxy_config, origin.partition(":")[0])
        self._forwarded = factory.proxy is not None and not self._tunnel
        self._idle: deque[HTTPConnection] = deque()
        self._origin = origin
        weakref.finalize(self, _close, self._idle)

    def take(self) -> HTTPConnection:
        """Return a connection that is open, the one last used if there is any."""
        while connection := _pop(self._idle):
            if connection.is_connected:
                return connection
            connection.close()
        return self._connect()

    def give_back(self, connection: HTTPConnection, reusable: bool) -> None:
        """Keep a connection for the next request, or close it."""
        if reusable and len(self._idle) < _IDLE:
            self._idle.append(connection)
        else:
            connection.close()

    def close(self) -> None:
        """Close the idle connections, which happens too when nobody has the route any more."""
        _close(self._idle)

    def send(self, sock: socket.socket, request: Request, target: str, body: bytes | Body | None) -> bool:
        """Send, and tell whether all of it left: a server that refuses a request may answer and hang up before."""
        headers = request.headers
        if self._forwarded:
            target, headers = f"{self._origin}{target}", {**headers, **self._factory.proxy_headers}
        try:
            http1.send(sock, request.method, target, headers, body)
        except (BrokenPipeError, ConnectionResetError):
            return False
        return True

    def _connect(self) -> HTTPConnection:
        connection: HTTPConnection = self._factory._new_conn()
        connection.timeout = self._config.connect_timeout
        try:
            if self._tunnel:
                self._factory._prepare_proxy(connection)
            else:
                connection.connect()
        except BaseException as error:
            proxy = None if connection.has_connected_to_proxy else connection.proxy
            connection.close()
            if proxy and isinstance(error, NO_ANSWER):
                raise ProxyError(f"the proxy {proxy.host} cannot be reached: {error}", error) from error
            if isinstance(error, ssl.SSLError | CertificateError):
                raise SSLError(error) from error
            raise
        connection.sock.settimeout(self._config.read_timeout)
        return connection


def _pop(connections: deque[HTTPConnection]) -> HTTPConnection | None:
    try:
        return connections.pop()
    except IndexError:
        return None


def _close(connections: deque[HTTPConnection]) -> None:
    while connection := _pop(connections):
        connection.close()


class Connections:
    """Sends requests as they are: no cookies, no ``.netrc``, no redirects, no second attempt.

    requests looks up proxy and certificates for each request, urllib3 takes a request apart and puts it together again;
    here the first is done once for each host and the second not at all.

    :param config: proxies, certificates and time-outs; they win over the environment's
    """

    def __init__(self, config: Settings) -> None:
        self._config = config
        self._adapter = HTTPAdapter()
        self._routes: dict[str, _Route] = {}

    def close(self) -> None:
        """Close the connections that are not in use."""
        for route in self._routes.values():
            route.close()

    def exchange(self, request: Request, body: bytes | Body | None) -> Response:
        """Send and return the answer with its body unread.

        :param request: with the headers that are sent, ``Host`` and ``Content-Length`` among them
        :raises Exception: one of :data:`NO_ANSWER`
        """
        origin = request.url[: _AUTHORITY_END.search(request.url, len("https://")).start()]  # type: ignore[union-attr]
        path = request.url[len(origin) :]
        route = self._routes.get(origin) or self._find_route(origin)
        target = path if path.startswith("/") else f"/{path}"
        connection = route.take()
        try:
            whole = route.send(connection.sock, request, target, body)
            response = Response(connection.sock, request.method, partial(route.give_back, connection))
        except BaseException:
            connection.close()
            raise
        response.will_close |= not whole
        log.debug("%s %s%s: %d", request.method, origin, target.partition("?")[0], response.status)
        return response

    def proxy(self, url: str) -> str | None:
        """Return the proxy that requests to a URL go through."""
        return select_proxy(url, environment(self._config, url)["proxies"])

    def _find_route(self, origin: str) -> _Route:
        request = requests.Request("GET", f"{origin}/").prepare()
        settings = environment(self._config, f"{origin}/")
        verify, proxies, cert = settings["verify"], settings["proxies"], settings["cert"]
        pool: Any = self._adapter.get_connection_with_tls_context(request, verify, proxies=proxies, cert=cert)
        self._adapter.cert_verify(pool, request.url, verify, cert)  # type: ignore[no-untyped-call]
        return self._routes.setdefault(origin, _Route(pool, origin, self._config))
