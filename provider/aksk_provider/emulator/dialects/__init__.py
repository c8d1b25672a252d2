"""How each vendor says it: one dialect a vendor, all that differs between them outside of signatures."""

from __future__ import annotations

from collections.abc import Mapping

from aksk_provider.emulator.dialects.base import Dialect
from aksk_provider.emulator.dialects.bos import BosDialect
from aksk_provider.emulator.dialects.cos import CosDialect
from aksk_provider.emulator.dialects.oss import OssDialect

DIALECTS: Mapping[str, Dialect] = {dialect.name: dialect for dialect in (BosDialect(), OssDialect(), CosDialect())}

__all__ = ["DIALECTS", "Dialect"]
