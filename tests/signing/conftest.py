"""Counts the examples compared with the vendors' SDKs and prints them at the end of the run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator

import pytest

from tests.signing.differential import compared


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, None, None]:
    vendor, examples = getattr(getattr(item, "function", None), "against_sdk", (None, 0))
    before = compared[vendor]
    yield
    if vendor is not None:
        held = compared[vendor] - before
        item.user_properties.append(("compared with the SDK", [vendor, held]))
        assert held >= examples, f"only {held} of {examples} examples were compared with the SDK"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    counts: Counter[str] = Counter()
    for report in terminalreporter.getreports("passed"):
        for name, value in report.user_properties:
            if name == "compared with the SDK":
                counts[value[0]] += value[1]
    if counts:
        summed = ", ".join(f"{vendor} {count}" for vendor, count in sorted(counts.items()))
        terminalreporter.write_line(f"examples signed as the vendor's SDK signs them: {summed}")
