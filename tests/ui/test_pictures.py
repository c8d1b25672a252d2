"""The pictures of the documentation are those that the tests of the UI take, and all are shown."""

from __future__ import annotations

import re

from tests.support.processes import REPOSITORY
from tests.ui.pictures import FOLDER, LARGEST, PICTURES


def test_the_documentation_has_the_pictures_that_tests_take() -> None:
    assert {path.stem for path in FOLDER.iterdir()} == set(PICTURES)
    assert [path.name for path in FOLDER.iterdir() if path.stat().st_size > LARGEST] == []


def test_every_picture_is_shown() -> None:
    pages = [*(REPOSITORY / "docs").rglob("*.md"), *REPOSITORY.glob("README*.md")]
    shown = {name for page in pages for name in re.findall(r"images/([\w-]+)\.png", page.read_text())}
    assert shown == set(PICTURES)


def test_every_picture_is_taken_by_a_test() -> None:
    tests = "".join(path.read_text() for path in (REPOSITORY / "tests" / "ui").glob("test_*.py"))
    by_vendor = {f"connection-{vendor}" for vendor in ("bos", "oss", "cos")}
    assert [name for name in set(PICTURES) - by_vendor if f'"{name}"' not in tests] == []
