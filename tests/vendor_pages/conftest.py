"""The emulator and hooks for it.

Requests to the vendors' own hosts and to a custom domain reach the emulator as a forward proxy, so that the host in the
URL and in the signature is the page's.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from aksk_provider.emulator import Bucket, Emulator
from aksk_provider.hooks.object_storage import ObjectStorageHook
from tests.vendor_pages.common import ACCOUNTS, BUCKETS, DOMAIN, ENDPOINTS, REGIONS, HookMaker


@pytest.fixture(scope="session")
def emulator() -> Iterator[Emulator]:
    buckets = [Bucket(vendor, name) for vendor, name in BUCKETS.items()]
    versioned = [Bucket("oss", "versionedbucket", versioned=True)]
    domains = {DOMAIN: Bucket("oss", "examplebucket")}
    with Emulator(accounts=ACCOUNTS.values(), buckets=[*buckets, *versioned], domains=domains) as running:
        yield running


@pytest.fixture
def hook(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> Iterator[HookMaker]:
    made: list[ObjectStorageHook] = []

    def make(
        vendor: str, credentials: str | None = "permanent", *, host: str = "", password: str = "", **extra: Any
    ) -> ObjectStorageHook:
        account = ACCOUNTS[credentials] if credentials else None
        fields = {
            "conn_type": "aksk",
            "login": account.access_key if account else None,
            "password": password or (account.secret_key if account else None),
            "host": host or f"http://{ENDPOINTS[vendor]}",
            "schema": BUCKETS[vendor],
            "extra": {
                "vendor": vendor,
                "region": REGIONS[vendor],
                "security_token": account.token if account else None,
                "proxies": {"http": emulator.endpoint},
                "max_attempts": 1,
                **extra,
            },
        }
        monkeypatch.setenv(f"AIRFLOW_CONN_PAGE_{len(made)}", json.dumps(fields))
        made.append(ObjectStorageHook(f"page_{len(made)}"))
        return made[-1]

    yield make
    for one in made:
        if "store" in vars(one):
            one.store.close()


@pytest.fixture
def plain(emulator: Emulator) -> Iterator[requests.Session]:
    """A plain HTTP client of somebody who has nothing but a link; it knows nothing of this project."""
    with requests.Session() as session:
        session.trust_env = False
        session.proxies = {"http": emulator.endpoint}
        yield session
