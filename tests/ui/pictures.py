"""The pictures of the documentation, taken by the tests of the UI: ``make screenshots`` writes them to docs/images."""

from __future__ import annotations

import os
from pathlib import Path

from playwright.sync_api import Locator, Page

#: by file name without its ending, what each shows
PICTURES = {
    "connection-fields": "the standard fields of the form",
    "connection-bos": "the form's section Cloud for Baidu BOS",
    "connection-oss": "the same for Alibaba OSS",
    "connection-cos": "the same for Tencent COS, with a token",
    "connection-test": "the Test button's answer to a wrong secret key",
    "tour-graph": "the graph of the tour after its run",
    "task-log": "the log of an upload with its progress",
    "task-links": "the links of a task",
    "task-xcom": "what an upload returned",
    "task-xcom-zh": "what an upload of a folder returned, in the Chinese UI",
}
LARGEST = 200_000
FOLDER = Path(__file__).parents[2] / "docs" / "images"


def take(seen: Page | Locator, name: str, folder: Path) -> None:
    """Take a picture of a page or a part of it, into the documentation where ``SCREENSHOTS`` is set.

    :param folder: where it goes otherwise
    """
    assert name in PICTURES
    target = (FOLDER if os.environ.get("SCREENSHOTS") else folder) / f"{name}.png"
    target.parent.mkdir(exist_ok=True)
    seen.screenshot(path=target, animations="disabled", caret="hide")
    assert target.stat().st_size <= LARGEST
