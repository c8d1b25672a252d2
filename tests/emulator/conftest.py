"""A table of what the official SDKs can do against the emulator, to be quoted in the documentation."""

from __future__ import annotations

import re
from importlib.metadata import version

import pytest

_CASE = re.compile(
    r"test_the_official_sdk_is_served\[(?P<vendor>\w+)-(?P<credentials>permanent|token)-(?P<operation>\w+)\]$"
)
_PACKAGES = {"bos": "bce-python-sdk", "oss": "alibabacloud-oss-v2", "cos": "cos-python-sdk-v5"}


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Write the table to the cache directory and say where it is."""
    results: dict[str, dict[tuple[str, str], str]] = {}
    for outcome in ("passed", "failed", "error", "skipped"):
        for report in terminalreporter.stats.get(outcome, []):
            if case := _CASE.search(getattr(report, "nodeid", "")):
                results.setdefault(case["operation"], {})[case["vendor"], case["credentials"]] = outcome
    if not results:
        return
    columns = [(vendor, credentials) for vendor in _PACKAGES for credentials in ("permanent", "token")]
    heads = [f"{_PACKAGES[vendor]} {version(_PACKAGES[vendor])}, {credentials}" for vendor, credentials in columns]
    lines = [f"| operation | {' | '.join(heads)} |", "|---" * (len(columns) + 1) + "|"]
    for operation, row in results.items():
        lines.append(f"| {operation.replace('_', ' ')} | {' | '.join(row.get(column, '') for column in columns)} |")
    text = "\n".join(lines) + "\n"
    terminalreporter.section("official SDKs as clients of the emulator")
    terminalreporter.write(text)
    cache = getattr(config, "cache", None)
    if cache is not None:
        path = cache.mkdir("emulator") / "official-sdks.md"
        path.write_text(text)
        terminalreporter.write_line(f"written to {path.relative_to(config.rootpath)}")
