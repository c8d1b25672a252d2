"""Verification: recompute the signature from the request as it arrived, and compare."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

from aksk_provider.emulator.model import Account, Inbound
from aksk_provider.emulator.verify import bos, cos, oss

# Of a request for the resource /bucket/key, with the known accounts, now: the account that signed it.
Verifier = Callable[[Inbound, str, Mapping[str, Account], datetime], Account]
VERIFIERS: Mapping[str, Verifier] = {"bos": bos.verify, "oss": oss.verify, "cos": cos.verify}
