"""A browser saves a download under the name that was given, and no name gets out of its header."""

from __future__ import annotations

import re
import unicodedata
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aksk_provider.errors import InvalidRequestError
from aksk_provider.storage.presigning.filenames import content_disposition


@pytest.mark.parametrize(
    ("name", "disposition"),
    [
        ("report.csv", 'attachment; filename="report.csv"'),
        ("report of today; v2, final.csv", 'attachment; filename="report of today; v2, final.csv"'),
        ("Zoë.csv", "attachment; filename=\"Zoe.csv\"; filename*=UTF-8''Zo%C3%AB.csv"),
        ("Zoe\u0308.csv", "attachment; filename=\"Zoe.csv\"; filename*=UTF-8''Zo%C3%AB.csv"),
        ("报告.csv", "attachment; filename=\"__.csv\"; filename*=UTF-8''%E6%8A%A5%E5%91%8A.csv"),
        ("a😀.txt", "attachment; filename=\"a_.txt\"; filename*=UTF-8''a%F0%9F%98%80.txt"),
        ('say "hi".txt', "attachment; filename=\"say _hi_.txt\"; filename*=UTF-8''say%20%22hi%22.txt"),
        ("100%25.txt", "attachment; filename=\"100_25.txt\"; filename*=UTF-8''100%2525.txt"),
        ("2026/11/a.csv", 'attachment; filename="2026_11_a.csv"'),
        ("..\\..\\a.csv", 'attachment; filename=".._.._a.csv"'),
        ("  a.csv ", 'attachment; filename="a.csv"'),
        ("it's*.csv", 'attachment; filename="it\'s*.csv"'),
    ],
)
def test_the_header_of_a_name(name: str, disposition: str) -> None:
    assert content_disposition(name) == disposition


@pytest.mark.parametrize(
    "name", ["a\r\nSet-Cookie: x", "a\x00", "a\tb", "a\x7f", "a\x85", "a\u2028b", "a\u202egpj.exe"]
)
def test_control_characters_are_refused(name: str) -> None:
    with pytest.raises(InvalidRequestError, match="control character"):
        content_disposition(name)


@pytest.mark.parametrize("name", ["", " ", ".", ".."])
def test_what_is_no_name_of_a_file_is_refused(name: str) -> None:
    with pytest.raises(InvalidRequestError, match="no name of a file"):
        content_disposition(name)


@given(st.text())
def test_any_name_comes_back_out_of_the_header(name: str) -> None:
    """Out of the encoded form where there is one, and the plain form is a quoted string without escapes."""
    try:
        disposition = content_disposition(name)
    except InvalidRequestError:
        return
    read = re.fullmatch(
        r"attachment; filename=\"([ !#-\[\]-~]+)\"(?:; filename\*=UTF-8''([\w.~%-]+))?", disposition, re.ASCII
    )
    assert read is not None
    plain, encoded = read.groups()
    wanted = unicodedata.normalize("NFC", name.strip(" ")).replace("/", "_").replace("\\", "_")
    assert (unquote(encoded) if encoded else plain) == wanted
