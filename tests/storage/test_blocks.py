"""Blocks are read into one buffer, larger ones while they come quickly."""

from __future__ import annotations

import ctypes
import io
import mmap
from http.client import HTTPResponse

import pytest

from aksk_provider.storage.blocks import BlockReader, new_buffer

KIB = 1024


class Answer(HTTPResponse):
    """The body of an answer, each block of which takes a while by the clock.

    :param seconds: for a block
    """

    def __init__(self, content: bytes, clock: list[float], seconds: float = 0.0) -> None:
        self._content = io.BytesIO(content)
        self._clock = clock
        self.seconds = seconds
        self.places: set[int] = set()

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        self._clock[0] += self.seconds
        self.places.add(ctypes.addressof(ctypes.c_char.from_buffer(buffer)))
        return self._content.readinto(buffer)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [0.0]
    monkeypatch.setattr("aksk_provider.storage.blocks.time.monotonic", lambda: now[0])
    return now


def sizes(reader: BlockReader, answer: Answer, blocks: int) -> list[int]:
    return [len(reader.read(answer, 2**40)) // KIB for _ in range(blocks)]


@pytest.mark.parametrize(("size", "aligned"), [(1, None), (512 * KIB, True)])
def test_large_buffers_begin_a_page(size: int, aligned: bool | None) -> None:
    buffer = new_buffer(size)
    assert len(buffer) == size
    if aligned:
        assert ctypes.addressof(ctypes.c_char.from_buffer(buffer)) % mmap.PAGESIZE == 0


def test_blocks_grow_up_to_the_largest_and_shrink_where_they_come_slowly(clock: list[float]) -> None:
    reader, answer = BlockReader(256 * KIB), Answer(bytes(4 * KIB * KIB), clock)
    assert sizes(reader, answer, 6) == [16, 32, 64, 128, 256, 256]
    answer.seconds = 1.5
    assert sizes(reader, answer, 4) == [256, 32, 4, 1]
    assert sizes(reader, answer, 2) == [1, 1]
    answer.seconds = 0.5
    assert sizes(reader, answer, 3) == [1, 2, 4]


def test_no_more_is_read_than_is_wanted_and_nothing_at_the_end(clock: list[float]) -> None:
    reader, answer = BlockReader(256 * KIB), Answer(b"abcdefg", clock)
    assert [bytes(reader.read(answer, most)) for most in (1, 2, 100, 100)] == [b"a", b"bc", b"defg", b""]


def test_a_block_is_overwritten_by_the_next_in_the_same_memory(clock: list[float]) -> None:
    reader, answer = BlockReader(16 * KIB), Answer(b"a" * 16 * KIB + b"b" * 16 * KIB, clock)
    first = reader.read(answer, 2**40)
    assert first[0] == ord("a")
    reader.read(answer, 2**40)
    assert first[0] == ord("b")
    assert len(answer.places) == 1
