"""Where credentials come from. Every source is a callable that returns the credentials to use now."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping

from aksk_provider.errors import ConnectionConfigError
from aksk_provider.signing import Credentials
from aksk_provider.storage.vendors import Vendor

CredentialsProvider = Callable[[], Credentials]


def static(credentials: Credentials) -> CredentialsProvider:
    """Return a source that always gives the same credentials."""
    return lambda: credentials


class Reloading:
    """Credentials that are read again when the store refuses them, so that a rotated key is picked up.

    :param current: the credentials
    :param read: reads them again from where they rest
    """

    def __init__(self, current: Credentials, read: Callable[[], Credentials]) -> None:
        self._current = current
        self._read = read
        self._lock = threading.Lock()

    def __call__(self) -> Credentials:
        """Return the credentials."""
        return self._current

    def reload(self, refused: Credentials) -> bool:
        """Read again, and tell whether there are other credentials now than those that were refused."""
        with self._lock:
            if self._current == refused:
                self._current = self._read()
            return self._current != refused


def environment(vendor: Vendor, variables: Mapping[str, str] = os.environ) -> CredentialsProvider:
    """Return a source that reads the variables the vendor's own tools read, anew each time.

    :raises ConnectionConfigError: when it is called and no complete key pair is set
    """

    def provide() -> Credentials:
        for access_key, secret_key, token in vendor.environment:
            if variables.get(access_key) and variables.get(secret_key):
                return Credentials(variables[access_key], variables[secret_key], variables.get(token) or None)
        names = " or ".join(f"{access_key} and {secret_key}" for access_key, secret_key, _ in vendor.environment)
        raise ConnectionConfigError(
            f"no key pair for {vendor.title}: set login (access key) and password (secret key) of the connection, "
            f"or the environment's {names}"
        )

    return provide
