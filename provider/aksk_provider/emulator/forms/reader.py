"""Reads ``multipart/form-data`` while it arrives: fields whole, the file in chunks."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field

from python_multipart import MultipartParser
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header

from aksk_provider.emulator.model import Refused

_MAX_FIELDS = 1024**2


@dataclass(frozen=True, slots=True)
class FileStart:
    """The file begins; nothing after it counts.

    :param name: its name at the sender's, without folders
    :param content_type: what the sender says it is
    """

    name: str
    content_type: str | None


@dataclass(slots=True)
class _Part:
    headers: dict[str, str] = field(default_factory=dict)
    header: bytearray = field(default_factory=bytearray)
    value: bytearray = field(default_factory=bytearray)
    body: bytearray = field(default_factory=bytearray)
    name: str = ""


class FormReader:
    """Reads one form.

    :param content_type: header of the request, with the boundary
    :param body: body of the request
    """

    def __init__(self, content_type: str, body: AsyncIterator[bytes]) -> None:
        kind, options = parse_options_header(content_type)
        if kind != b"multipart/form-data" or not options.get(b"boundary"):
            raise malformed()
        self.fields: dict[str, str] = {}
        self._body = body
        self._part = _Part()
        self._file: FileStart | None = None
        self._chunks: list[bytes] = []
        self._field_bytes = 0
        self._file_ended = self._ended = False
        try:
            self._parser = MultipartParser(
                options[b"boundary"],
                {
                    "on_part_begin": self._on_part_begin,
                    "on_header_field": lambda data, start, end: self._part.header.extend(data[start:end]),
                    "on_header_value": lambda data, start, end: self._part.value.extend(data[start:end]),
                    "on_header_end": self._on_header_end,
                    "on_headers_finished": self._on_headers_finished,
                    "on_part_data": self._on_part_data,
                    "on_part_end": self._on_part_end,
                    "on_end": self._on_end,
                },
            )
        except FormParserError as error:
            raise malformed() from error

    async def read_fields(self) -> FileStart | None:
        """Read up to the file: ``fields`` holds the fields before it, under lower-case names."""
        while self._file is None and await self._feed():
            pass
        return self._file

    async def file(self) -> AsyncIterator[bytes]:
        """Yield the file in chunks, and read the rest of the form behind it."""
        more = True
        while more:
            chunks, self._chunks = self._chunks, []
            for chunk in chunks:
                yield chunk
            more = await self._feed()
        for chunk in self._chunks:
            yield chunk
        if not self._ended:
            raise malformed()

    async def _feed(self) -> bool:
        """Parse the next bytes of the body; tell whether there were any."""
        try:
            chunk = await anext(self._body)
        except StopAsyncIteration:
            return False
        try:
            self._parser.write(chunk)
        except FormParserError as error:
            raise malformed() from error
        return True

    def _on_part_begin(self) -> None:
        self._part = _Part()

    def _on_header_end(self) -> None:
        part = self._part
        part.headers[bytes(part.header).decode("latin-1").lower()] = _text(part.value)
        part.header, part.value = bytearray(), bytearray()

    def _on_headers_finished(self) -> None:
        _, options = parse_options_header(self._part.headers.get("content-disposition", "").encode())
        self._part.name = _text(options.get(b"name", b"")).lower()
        if self._part.name == "file" and self._file is None:
            name = _text(options.get(b"filename", b"")).replace("\\", "/").rpartition("/")[2]
            self._file = FileStart(name, self._part.headers.get("content-type"))

    def _on_part_data(self, data: bytes, start: int, end: int) -> None:
        if self._file_ended:
            return
        if self._file is not None:
            self._chunks.append(data[start:end])
            return
        self._field_bytes += end - start
        if self._field_bytes > _MAX_FIELDS:
            raise malformed()
        self._part.body += data[start:end]

    def _on_part_end(self) -> None:
        if self._file is None:
            self.fields[self._part.name] = _text(self._part.body)
        self._file_ended = self._file is not None

    def _on_end(self) -> None:
        self._ended = True


def is_form(method: str, headers: Mapping[str, str]) -> bool:
    """Tell whether a request is the submission of a form with a file."""
    return method == "POST" and headers.get("content-type", "").startswith("multipart/form-data")


def malformed() -> Refused:
    """Return the refusal of a body that is no form."""
    return Refused("MalformedPOSTRequest")


def _text(value: bytes | bytearray) -> str:
    # parse_options_header works in Latin-1, whatever the bytes were.
    try:
        return bytes(value).decode()
    except UnicodeDecodeError as error:
        raise malformed() from error
