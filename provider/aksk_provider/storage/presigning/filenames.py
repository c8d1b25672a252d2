"""The name under which a browser saves a download: ``Content-Disposition`` of RFC 6266."""

from __future__ import annotations

import unicodedata

from aksk_provider.errors import InvalidRequestError
from aksk_provider.signing import encoding

_UNSAFE = str.maketrans("/\\", "__")
# Browsers disagree on escapes and on percent signs in the plain form (RFC 6266, appendix D).
_NOT_PLAIN = str.maketrans('"%', "__")
_TURNING = frozenset({"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"})


def content_disposition(filename: str) -> str:
    r"""Return the header that makes a browser save a download under a name.

    Always the plain form; where that cannot hold the name, also the encoded one, which every browser prefers:
    ``attachment; filename="Bericht_fur_Zoe.csv"; filename*=UTF-8''Bericht_f%C3%BCr_Zo%C3%AB.csv``.

    A name is no path: ``/`` and ``\`` become ``_``.

    :raises InvalidRequestError: for an empty name, ``.``, ``..``, and one with control characters or with those
        that change the direction of writing, which make ``gpj.exe`` look like ``exe.jpg``
    """
    name = unicodedata.normalize("NFC", filename.strip(" ")).translate(_UNSAFE)
    if name in ("", ".", ".."):
        raise InvalidRequestError(f"filename {filename!r} is no name of a file")
    for char in name:
        if unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp") or unicodedata.bidirectional(char) in _TURNING:
            raise InvalidRequestError(f"filename {filename!r} holds the control character {char!a}")
    plain = _ascii(name) or "_"
    disposition = f'attachment; filename="{plain}"'
    return disposition if plain == name else f"{disposition}; filename*=UTF-8''{encoding.encode(name)}"


def _ascii(name: str) -> str:
    """Return the name in ASCII: letters without their accents, ``_`` for what has no such letter."""
    bare = "".join(char for char in unicodedata.normalize("NFD", name) if not unicodedata.combining(char))
    return "".join(char if char.isascii() else "_" for char in bare).translate(_NOT_PLAIN)
