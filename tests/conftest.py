"""What every folder of tests may use."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from aksk_provider.emulator import Account, Bucket, Emulator

pytest_plugins = ["tests.support.fixtures"]

PERMANENT = Account("AKPERMANENT", "SKPERMANENT")
TEMPORARY = Account("AKTEMPORARY", "SKTEMPORARY", token="TOKENTEMPORARY/+=")
BUCKETS = (
    Bucket("bos", "examplebucket"),
    Bucket("oss", "examplebucket-oss"),
    Bucket("cos", "examplebucket-1250000000"),
    Bucket("bos", "versionedbucket", versioned=True),
    Bucket("oss", "versionedbucket-oss", versioned=True),
    Bucket("cos", "versionedbucket-1250000000", versioned=True),
)


@pytest.fixture(scope="session")
def emulator() -> Iterator[Emulator]:
    """A store of each vendor that verifies every signature; tests use keys of their own."""
    with Emulator(accounts=[PERMANENT, TEMPORARY], buckets=BUCKETS) as running:
        yield running
