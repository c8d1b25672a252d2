"""Looks once, in a worker."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from aksk_provider.errors import BucketNotFoundError, NotFoundError
from aksk_provider.storage.store import ObjectStore
from aksk_provider.storage.waiting.conditions import Part


def look_at(store: ObjectStore, parts: Sequence[Part], *, any_of: bool = False) -> list[Any] | None:
    """Return the results of the parts, of the first satisfied one with ``any_of``; ``None`` for not yet."""
    results = []
    for part in parts:
        result = look(store, part)
        if result is not None and any_of:
            return [result]
        if result is not None:
            results.append(result)
        elif not any_of:
            return None
    return results or None


def look(store: ObjectStore, part: Part) -> Any | None:
    """Return the result of one part; only a 404 means that an object is absent."""
    vendor, page = store.config.vendor, None
    part.begin()
    while True:
        operation = part.look.operation(vendor, page)
        try:
            headers, body = store.transport.read(operation)
        except BucketNotFoundError:
            raise
        except NotFoundError:
            return None
        answer = part.look.answer(vendor, page, headers, body)
        page = answer.next_page
        if part.add(answer.objects) or page is None:
            return part.end(answer.at)
