"""Links between the pages, as GitHub and Sphinx follow them: files, folders and headings.

Sphinx checks those inside ``docs/`` as well (``make check``); those of the READMEs and out of ``docs/`` only this does.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

from tests.docs.pages import READMES, ROOT

PAGES = [*READMES, *sorted((ROOT / "docs").rglob("*.md"))]
PAGES = [page for page in PAGES if not {"_build", "api"} & set(page.relative_to(ROOT).parts)]
MARKDOWN = MarkdownIt("commonmark").enable("table")


@cache
def tokens(page: Path) -> list[Token]:
    return MARKDOWN.parse(page.read_text("utf-8"))


def inline(page: Path) -> list[Token]:
    return [child for token in tokens(page) for child in token.children or []]


@cache
def headings(page: Path) -> frozenset[str]:
    """Return the anchors of a page: the headings in lower case, without punctuation, with hyphens for spaces."""
    titles = [tokens(page)[number + 1] for number, token in enumerate(tokens(page)) if token.type == "heading_open"]
    plain = ("".join(child.content for child in title.children or []) for title in titles)
    return frozenset(re.sub(r"[^\w\- ]", "", title.strip().lower()).replace(" ", "-") for title in plain)


def links(page: Path) -> list[str]:
    found = [token.attrGet("href") or token.attrGet("src") for token in inline(page)]
    return [unquote(str(link)) for link in found if link]


def dangling(page: Path, link: str) -> str | None:
    """Say what is wrong with a link."""
    parts = urlsplit(link)
    if parts.scheme in ("http", "https"):
        return None
    # the API reference is made when the documentation is built
    if parts.path.startswith("api/") and page.parent == ROOT / "docs":
        return None
    target = (page.parent / parts.path).resolve() if parts.path else page
    if not target.exists():
        return f"{link}: there is no {target}"
    if not target.is_relative_to(ROOT):
        return f"{link}: leads out of the repository"
    if parts.fragment and parts.fragment not in headings(target):
        return f"{link}: no such heading"
    return None


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    assert [wrong for link in links(page) if (wrong := dangling(page, link))] == []


def test_a_link_to_nothing_would_be_found() -> None:
    page = ROOT / "README.md"
    assert dangling(page, "docs/no-such-page.md")
    assert dangling(page, "docs/connection.md#no-such-heading")
    assert dangling(page, "../elsewhere.md")
    assert dangling(page, "docs/connection.md#endpoints") is None
    assert len(links(page)) > 20


def test_no_page_is_left_out_of_the_table_of_contents() -> None:
    index = (ROOT / "docs" / "index.md").read_text("utf-8")
    trees = re.findall(r"^```\{toctree\}(.*?)^```", index, re.MULTILINE | re.DOTALL)
    listed = set(re.findall(r"^[\w./-]+$", "\n".join(trees), re.MULTILINE))
    assert {page.stem for page in (ROOT / "docs").glob("*.md")} - {"index"} - listed == set()
