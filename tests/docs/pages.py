"""The code blocks of the pages."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
READMES = [ROOT / "README.md", ROOT / "README.zh-CN.md", ROOT / "docker" / "README.md"]
PAGES = [*READMES, *sorted((ROOT / "docs").glob("*.md"))]
_FENCE = re.compile(r"^```(?P<language>[^\n`]*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A code block of a page, from the line after its fence."""

    page: Path
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def blocks(*languages: str) -> list[Block]:
    """Return the blocks of all pages that are written in one of the languages; without one, all blocks."""
    return [block for page in PAGES for block in _of(page) if not languages or block.language in languages]


def blocks_of(page: Path) -> list[Block]:
    """Return the blocks of one page."""
    return list(_of(page))


def commands() -> list[tuple[Block, list[str]]]:
    """Return each command of the bash blocks, as the shell splits it."""
    found = []
    for block in blocks("bash"):
        pending = ""
        for line in block.text.replace("\\\n", " ").splitlines():
            pending += f"{line}\n"
            try:
                words = shlex.split(pending, comments=True)
            except ValueError:  # the quotation goes on
                continue
            pending = ""
            if words:
                found.append((block, words))
        assert not pending, f"{block}: a quotation is not closed"
    return found


def _of(page: Path) -> Iterator[Block]:
    text = page.read_text("utf-8")
    for found in _FENCE.finditer(text):
        yield Block(page, text.count("\n", 0, found.start("text")) + 1, found["language"], found["text"])
