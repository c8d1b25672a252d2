"""What operators over many files return: a summary, and a manifest where it would be too long for XCom."""

from __future__ import annotations

import glob
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aksk_provider.storage.transfer import FileResult

LONGEST_LIST = 1000


def is_wildcard(text: str) -> bool:
    """Tell whether a name has ``*``, ``?`` or ``[``."""
    return glob.has_magic(text)


def is_many(source: str) -> bool:
    """Tell whether a source is a folder or a glob; a file whose name looks like a glob is a file."""
    path = Path(source)
    return path.is_dir() or (is_wildcard(source) and not path.is_file())


def summary(results: Sequence[FileResult]) -> dict[str, Any]:
    """Return counts and bytes, and the files as far as they are few enough for XCom."""
    return {
        "count": len(results),
        "size": sum(result.size for result in results),
        "skipped": sum(result.status == "skipped" for result in results),
        "files": [result.as_dict() for result in results] if len(results) <= LONGEST_LIST else None,
        "manifest": None,
    }


def manifest(results: Sequence[FileResult]) -> bytes:
    """Return the files as JSON lines."""
    return "".join(f"{json.dumps(result.as_dict(), ensure_ascii=False)}\n" for result in results).encode()
