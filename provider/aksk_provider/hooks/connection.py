"""Turns an Airflow connection into the configuration of a store."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from aksk_provider.errors import ConnectionConfigError, InvalidRequestError
from aksk_provider.signing import Credentials
from aksk_provider.storage.config import StoreConfig, resolve
from aksk_provider.storage.credentials import CredentialsProvider, Reloading, environment, static
from aksk_provider.storage.vendors import VENDORS

_TEXTS = ("vendor", "region", "addressing", "public_endpoint", "signature_version")
_KNOWN = {*_TEXTS, "security_token", "verify", "proxies", "connect_timeout", "read_timeout", "max_attempts"}


class AirflowConnection(Protocol):
    """What the connections of the task SDK and of the server have in common."""

    conn_id: Any
    host: Any
    login: Any
    password: Any
    schema: Any
    port: Any

    @property
    def extra_dejson(self) -> dict[str, Any]:
        """Return the extra as a dictionary."""
        ...


def store_config(
    connection: AirflowConnection, read_again: Callable[[], AirflowConnection] | None = None
) -> StoreConfig:
    """Return the configuration that a connection describes.

    Extras may be text, as the URI form gives them. Null and empty values count as absent.

    :param read_again: reads the connection anew, for when the store refuses its credentials
    :raises ConnectionConfigError: names the connection and the field that is missing, unknown or wrong
    """
    try:
        return _store_config(connection, read_again)
    except InvalidRequestError as error:
        raise ConnectionConfigError(f"connection {connection.conn_id}: {error}") from None


def _store_config(connection: AirflowConnection, read_again: Callable[[], AirflowConnection] | None) -> StoreConfig:
    extra = _extra(connection)
    if unknown := sorted(set(extra) - _KNOWN):
        raise ConnectionConfigError(f"extra {unknown[0]!r} is not known; known are {', '.join(sorted(_KNOWN))}")
    vendor = str(extra.get("vendor"))
    if vendor not in VENDORS:
        raise ConnectionConfigError(f"extra vendor must be one of {', '.join(VENDORS)}, not {extra.get('vendor')!r}")
    row = VENDORS[vendor]
    if connection.schema and not row.bucket_pattern.fullmatch(connection.schema):
        raise ConnectionConfigError(
            f"schema (default bucket) {connection.schema!r}: {row.title} buckets are named by {row.bucket_rule}"
        )
    return resolve(
        credentials=_credentials(vendor, connection, read_again),
        endpoint=connection.host or None,
        port=connection.port or None,
        bucket=connection.schema or None,
        **{name: str(extra[name]) for name in _TEXTS if name in extra},
        **_transport(extra),
    )


def _extra(connection: AirflowConnection) -> dict[str, Any]:
    return {name: value for name, value in connection.extra_dejson.items() if value not in (None, "")}


def _credentials(
    vendor: str, connection: AirflowConnection, read_again: Callable[[], AirflowConnection] | None
) -> CredentialsProvider:
    """Return the key pair of the connection; without one, the source that reads the vendor's environment variables."""
    if not connection.login and not connection.password and "security_token" not in _extra(connection):
        source = environment(VENDORS[vendor])
        source()
        return source
    current = _key_pair(connection)
    return Reloading(current, lambda: _key_pair(read_again())) if read_again else static(current)


def _key_pair(connection: AirflowConnection) -> Credentials:
    for name, value in (("login (access key)", connection.login), ("password (secret key)", connection.password)):
        if not value:
            raise ConnectionConfigError(f"{name} is missing")
    token = _extra(connection).get("security_token")
    return Credentials(connection.login, connection.password, str(token) if token else None)


def _transport(extra: Mapping[str, Any]) -> dict[str, Any]:
    readers: dict[str, tuple[Callable[[Any], Any], str]] = {
        "connect_timeout": (float, "a number of seconds"),
        "read_timeout": (float, "a number of seconds"),
        "max_attempts": (int, "a whole number"),
        "verify": (_verify, "true, false or the path of a CA bundle that is there"),
        "proxies": (_proxies, 'a JSON object such as {"https": "http://proxy.example.com:3128"}'),
    }
    transport = {}
    for name, (read, rule) in readers.items():
        if name in extra:
            try:
                transport[name] = read(extra[name])
            except (TypeError, ValueError) as error:
                raise ConnectionConfigError(f"extra {name} must be {rule}") from error
    return transport


def _verify(value: Any) -> bool | str:
    text = str(value)
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    if not Path(text).exists():
        raise ValueError(text)
    return text


def _proxies(value: Any) -> dict[str, str]:
    proxies = json.loads(value) if isinstance(value, str) else value
    return {str(scheme): str(url) for scheme, url in dict(proxies).items()}
