"""Floor 0 is the standard library alone, and pure: no clock, no files, no sockets, no logging."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import aksk_provider.signing

FOLDER = Path(aksk_provider.signing.__file__).parent
PURE = {
    "__future__",
    "base64",
    "collections.abc",
    "dataclasses",
    "datetime",
    "hashlib",
    "hmac",
    "ipaddress",
    "re",
    "typing",
    "urllib.parse",
}
CLOCKS = {"now", "utcnow", "today", "time", "time_ns", "monotonic", "perf_counter", "localtime", "gmtime"}

LIST_MODULES = """
import sys
sys.path.insert(0, sys.argv[1])
import aksk_provider.signing
print(*sorted({name.partition('.')[0] for name in sys.modules} - set(sys.stdlib_module_names)))
"""


def trees() -> list[tuple[str, ast.Module]]:
    return [(path.name, ast.parse(path.read_text(encoding="utf-8"))) for path in sorted(FOLDER.glob("*.py"))]


def test_signing_works_without_any_installed_package() -> None:
    """In an interpreter without site-packages, so that an import of one cannot succeed."""
    command = [sys.executable, "-I", "-S", "-c", LIST_MODULES, str(FOLDER.parents[1])]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert set(listed) <= {"__main__", "aksk_provider"}


def test_signing_imports_nothing_that_could_touch_the_world() -> None:
    imported = {
        name
        for _, tree in trees()
        for node in ast.walk(tree)
        for name in (
            [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else []
        )
    }
    assert {name for name in imported if not name.startswith("aksk_provider")} <= PURE


def test_signing_never_asks_for_the_time() -> None:
    asked = [
        (file, node.lineno, node.attr)
        for file, tree in trees()
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and node.attr in CLOCKS
    ]
    assert asked == []
