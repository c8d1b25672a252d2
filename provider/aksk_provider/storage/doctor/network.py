"""Whether a host can be reached, step by step: name, port, TLS, proxy."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from urllib.parse import urlsplit

from aksk_provider.storage.doctor.report import Finding

_PORTS = {"http": 80, "https": 443}


def reach(url: str, *, timeout: float, verify: bool | str, proxy: str | None) -> Iterator[Finding]:
    """Tell how far a connection to a URL's host comes; the first error ends it.

    :param timeout: seconds for each step
    :param verify: whether to verify the certificate, or the path of a CA bundle
    :param proxy: URL of the proxy that stands between, if any
    """
    target = urlsplit(proxy or url)
    host, port = target.hostname or "", target.port or _PORTS.get(target.scheme, 443)
    what = f"the proxy {host}:{port}" if proxy else f"{host}:{port}"
    try:
        addresses = sorted({str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)})
    except OSError as error:
        yield Finding(
            "error",
            f"the host name {host} has no address ({error.strerror or error})",
            "check host and region of the connection, and the DNS of this machine",
        )
        return
    yield Finding("ok", f"{host} is {', '.join(addresses[:3])}")
    try:
        connection = socket.create_connection((host, port), timeout)
    except OSError as error:
        yield Finding(
            "error",
            f"{what} does not answer ({error.strerror or error})",
            "check host and port of the connection, firewall, and whether this network needs a proxy",
        )
        return
    with connection:
        yield Finding("ok", f"{what} accepts connections")
        if target.scheme == "https":
            yield _tls(connection, host, verify)


def _tls(connection: socket.socket, host: str, verify: bool | str) -> Finding:
    context = ssl.create_default_context(cafile=verify if isinstance(verify, str) else None)
    if verify is False:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        with context.wrap_socket(connection, server_hostname=host) as secured:
            return Finding("ok", f"TLS works ({secured.version()})")
    except ssl.SSLCertVerificationError as error:
        return Finding(
            "error",
            f"the TLS certificate of {host} is not trusted ({error.verify_message})",
            "set verify of the connection to the CA bundle of your network",
        )
    except ssl.SSLError as error:
        plain = error.reason in ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "HTTP_REQUEST")
        return Finding(
            "error",
            f"TLS with {host} fails ({error.reason or error})",
            "the port speaks plain HTTP: write http:// in host" if plain else "look for a proxy that breaks TLS",
        )
    except OSError as error:
        return Finding("error", f"TLS with {host} fails ({error.strerror or error})", "look for a firewall or proxy")
