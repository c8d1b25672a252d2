"""The clouds of the emulator, as connections of Airflow."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from aksk_provider.emulator import Account, Emulator
from aksk_provider.signing import Credentials
from aksk_provider.storage import ObjectStore
from aksk_provider.storage.config import resolve
from aksk_provider.storage.credentials import static

VENDORS = ("bos", "oss", "cos")
REGIONS = {"bos": "bj", "oss": "cn-hangzhou", "cos": "ap-guangzhou"}


@dataclass(frozen=True)
class Cloud:
    """A vendor with one of the emulator's key pairs."""

    vendor: str
    emulator: Emulator
    temporary: bool = False
    own_account: Account | None = None

    @property
    def account(self) -> Account:
        return self.own_account or next(
            account for account in self.emulator.accounts.values() if bool(account.token) == self.temporary
        )

    @property
    def bucket(self) -> str:
        return self._bucket(versioned=False)

    @property
    def versioned_bucket(self) -> str:
        return self._bucket(versioned=True)

    def _bucket(self, *, versioned: bool) -> str:
        buckets = self.emulator.buckets.values()
        return next(bucket.name for bucket in buckets if bucket.vendor == self.vendor and bucket.versioned == versioned)

    def uri(self, key: str) -> str:
        return f"{self.vendor}://{self.bucket}/{key}"

    def fields(self, **changes: Any) -> dict[str, Any]:
        """Return the fields of a connection, extra as JSON text.

        :param changes: fields to set otherwise; of ``extra``, the names that differ, ``None`` to leave one out
        """
        extra = {"vendor": self.vendor, "region": REGIONS[self.vendor], "security_token": self.account.token}
        extra |= {"max_attempts": 2} | changes.pop("extra", {})
        fields = {
            "host": self.emulator.endpoint,
            "login": self.account.access_key,
            "password": self.account.secret_key,
            "schema": self.bucket,
            **changes,
        }
        return {**fields, "extra": json.dumps({name: value for name, value in extra.items() if value is not None})}

    def json(self, **changes: Any) -> str:
        """Return a connection in its JSON form."""
        fields = self.fields(**changes)
        return json.dumps({"conn_type": "aksk", **fields, "extra": json.loads(fields["extra"])})

    def store(self) -> ObjectStore:
        """Return the store without Airflow, to prepare and to look."""
        account = self.account
        return ObjectStore(
            resolve(
                vendor=self.vendor,
                credentials=static(Credentials(account.access_key, account.secret_key, account.token)),
                endpoint=self.emulator.endpoint,
                region=REGIONS[self.vendor],
                bucket=self.bucket,
            )
        )
