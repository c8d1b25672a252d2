"""How the pages are made: what is included is tested, how-to pages show a DAG, translations keep up."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from aksk_provider import operators, sensors
from tests.docs.pages import PAGES, ROOT, blocks, blocks_of

DOCS = ROOT / "docs"
TRANSLATIONS = [ROOT / "README.zh-CN.md", *sorted(DOCS.glob("*.zh-CN.md"))]
PICTURE = "docs/images/connection-oss.png"


def included(page: Path) -> list[Path]:
    found = (re.fullmatch(r"\{literalinclude\} (\S+)", block.language) for block in blocks_of(page))
    return [(page.parent / match[1]).resolve() for match in found if match]


def how_to_pages() -> list[Path]:
    (section,) = re.findall(
        r":caption: How to\n:maxdepth: 1\n\n(.*?)```", (DOCS / "index.md").read_text("utf-8"), re.DOTALL
    )
    return [DOCS / f"{name}.md" for name in section.split()]


@pytest.mark.parametrize("page", how_to_pages(), ids=lambda page: page.stem)
def test_every_how_to_page_shows_a_dag_that_the_tests_run(page: Path) -> None:
    assert ROOT / "dags" in {path.parent for path in included(page)}


def test_every_dag_is_shown_by_a_page() -> None:
    shown = {path for page in PAGES for path in included(page)}
    assert set((ROOT / "dags").glob("*.py")) - shown == set()


def test_what_is_included_is_tested_code() -> None:
    """DAGs run in ``tests/dags``, every file of the provider and of the tests is imported by a test."""
    for page in PAGES:
        for path in included(page):
            assert path.is_file(), f"{page.name}: {path}"
            assert path.relative_to(ROOT).parts[0] in ("dags", "provider", "tests") or path.name == "faults.json"


@pytest.mark.parametrize("page", TRANSLATIONS, ids=lambda page: page.name)
def test_a_translation_has_the_same_code(page: Path) -> None:
    """As it is, but for comments: a change of one page is a change of the other."""
    original = page.with_name(page.name.replace(".zh-CN", ""))
    ours, theirs = (
        [(block.language, re.sub(r" +# .*", "", block.text)) for block in blocks_of(path)] for path in (page, original)
    )
    assert ours == theirs


@pytest.mark.parametrize("page", TRANSLATIONS, ids=lambda page: page.name)
def test_a_translation_names_the_same_things_in_its_tables(page: Path) -> None:
    original = page.with_name(page.name.replace(".zh-CN", ""))
    ours, theirs = (
        [set(re.findall(r"`[^`]+`", line)) for line in path.read_text("utf-8").splitlines() if line.startswith("|")]
        for path in (page, original)
    )
    assert ours == theirs


def test_the_readmes_are_short_and_name_each_other() -> None:
    for name, other in (("README.md", "README.zh-CN.md"), ("README.zh-CN.md", "README.md")):
        text = (ROOT / name).read_text("utf-8")
        assert len(text.splitlines()) <= 90
        assert f"]({other})" in text
        dag = next(block.text for block in blocks("python") if block.page == ROOT / name)
        assert len([line for line in dag.splitlines() if line.strip()]) <= 10


def test_the_readmes_name_every_operator_and_nothing_that_is_not_there() -> None:
    there = {*operators.__all__, *sensors.__all__, "ObjectStorageHook"}
    for name in ("README.md", "README.zh-CN.md"):
        rows = re.findall(r"^\|[^|]+\| (`.+?`) \|", (ROOT / name).read_text("utf-8"), re.MULTILINE)
        named = set(re.findall(r"\w+", " ".join(rows)))
        assert {*operators.__all__, "ObjectKeySensor", "ObjectStorageHook"} <= named <= there


def test_the_readmes_show_the_form_when_there_is_a_picture_of_it() -> None:
    shown = [PICTURE in (ROOT / name).read_text("utf-8") for name in ("README.md", "README.zh-CN.md")]
    assert shown == [(ROOT / PICTURE).exists()] * 2
