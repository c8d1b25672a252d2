"""What importing loads, without a stopwatch: the numbers are in ``make bench``."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.benchmarks.__main__ import PAGE, names, with_results
from tests.benchmarks.bench_import_cost import CASES, OURS, measure
from tests.benchmarks.table import Table

HEAVY = ("requests", "urllib3", "fastcrc", "xml", "tenacity", "charset_normalizer", "certifi", "starlette", "uvicorn")


@pytest.mark.parametrize("module", CASES[OURS])
def test_importing_loads_no_http_library_and_no_parser_of_bodies(module: str, tmp_path: Path) -> None:
    """Fails when a hook, operator or sensor imports the store, or requests, at its top."""
    loaded = measure([module], str(tmp_path))["modules"]
    assert isinstance(loaded, list)
    assert module in loaded
    assert [name for name in loaded if name.partition(".")[0] in HEAVY] == []
    assert [name for name in loaded if name.startswith(("aksk_provider.storage", "aksk_provider.emulator"))] == []


def test_results_replace_the_block_of_their_benchmark_alone() -> None:
    page = "a\n<!-- results: x -->\nold\n<!-- end -->\nb\n<!-- results: y -->\nkept\n<!-- end -->\n"
    table = Table(("what", "ms"), [("ours", "1")], ["How."])
    written = with_results(page, "x", table)
    assert written == page.replace("old", "| what | ms |\n| --- | ---: |\n| ours | 1 |\n\nHow.")
    with pytest.raises(ValueError, match="no block"):
        with_results(page, "z", table)


def test_every_benchmark_has_its_block_in_the_page() -> None:
    page = PAGE.read_text("utf-8")
    assert [name for name in names() if f"<!-- results: {name} -->" not in page] == []
