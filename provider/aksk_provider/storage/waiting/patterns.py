"""What a key, wildcard or regular expression matches, and what all its matches start with."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable

from aksk_provider.errors import InvalidRequestError

_WILDCARD = re.compile(r"[*?\[]")
_SPECIAL = frozenset(".^$*+?{}[]\\|()")
#: an escape, or a set, in which ] may come first
_NOT_SYNTAX = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]", re.DOTALL)
_QUANTIFIERS = frozenset("*?{")
Matches = Callable[[str], object]


def wildcard_start(key: str) -> int | None:
    """Return where the first wildcard of a key is, ``None`` in a plain key."""
    found = _WILDCARD.search(key)
    return found.start() if found else None


def wildcard(pattern: str) -> tuple[str, Matches]:
    """Return what the matches of a pattern with wildcards start with, and what tells whether a key matches.

    ``*`` matches any characters, ``/`` included, ``?`` one, ``[seq]`` one of a set; write ``[*]`` for a literal star.
    """
    start = wildcard_start(pattern)
    return pattern[:start], re.compile(fnmatch.translate(pattern)).match


def expression(pattern: str) -> tuple[str, Matches]:
    """Return what the matches of a regular expression start with, and what tells whether a whole key matches.

    :raises InvalidRequestError: it is not a regular expression
    """
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise InvalidRequestError(f"{pattern!r} is not a regular expression: {error}") from error
    return ("" if _has_alternatives(pattern) else _literal_start(pattern)), compiled.fullmatch


def _literal_start(pattern: str) -> str:
    literal: list[str] = []
    rest = pattern.removeprefix("^")
    place = 0
    while place < len(rest):
        char = rest[place]
        if char == "\\" and not rest[place + 1 : place + 2].isalnum():
            place, char = place + 1, rest[place + 1]
        elif char in _SPECIAL:
            break
        literal.append(char)
        place += 1
    if rest[place : place + 1] in _QUANTIFIERS and literal:
        literal.pop()  # the last character is the one that may be absent
    return "".join(literal)


def _has_alternatives(pattern: str) -> bool:
    """Tell whether there is a ``|`` outside groups, sets and escapes; what precedes it then starts only some keys."""
    depth = 0
    for char in _NOT_SYNTAX.sub("", pattern):
        if char in "()":
            depth += 1 if char == "(" else -1
        elif char == "|" and depth == 0:
            return True
    return False
