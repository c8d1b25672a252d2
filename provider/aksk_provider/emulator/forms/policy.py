"""Policies of upload forms: what they say, and whether a form keeps to it."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone

from aksk_provider.emulator.model import Refused

_RANGE = "content-length-range"
_LISTS = ("in", "not-in")


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition on a field.

    :param operator: ``eq``, ``starts-with``, ``in`` or ``not-in``
    :param name: field in lower case
    :param value: text, for the latter two a list
    """

    operator: str
    name: str
    value: str | list[str]

    def holds(self, given: str | None) -> bool:
        """Tell whether a field's value will do; a field that is missing does not."""
        if self.operator == "not-in":
            return given not in self.value
        if given is None:
            return False
        if self.operator == "in":
            return given in self.value
        return given.startswith(str(self.value)) if self.operator == "starts-with" else given == self.value

    def __str__(self) -> str:
        return json.dumps([self.operator, f"${self.name}", self.value])


@dataclass(frozen=True, slots=True)
class Policy:
    """A policy.

    :param text: the JSON as it was signed
    :param expiration: until when it is good
    :param sizes: smallest and largest file in bytes, where it says
    """

    text: str
    expiration: datetime
    conditions: tuple[Condition, ...]
    sizes: tuple[int, int] | None

    def names(self) -> set[str]:
        """Return the names of the fields it has conditions on."""
        return {condition.name for condition in self.conditions}


def read_policy(encoded: str) -> Policy:
    """Read the field ``policy``."""
    try:
        text = base64.b64decode(encoded, validate=True).decode()
        said = json.loads(text)
        until = datetime.fromisoformat(said["expiration"].removesuffix("Z") + "+00:00").astimezone(timezone.utc)
        listed = said["conditions"]
        ranges = [entry for entry in listed if isinstance(entry, list) and entry[0] == _RANGE]
        sizes = (int(ranges[-1][1]), int(ranges[-1][2])) if ranges else None
        conditions = tuple(found for entry in listed if entry not in ranges for found in _conditions(entry))
    except (binascii.Error, ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        raise Refused("InvalidPolicyDocument") from error
    return Policy(text, until, conditions, sizes)


def _conditions(entry: object) -> Iterator[Condition]:
    if isinstance(entry, Mapping) and len(entry) == 1:
        ((name, value),) = entry.items()
        yield Condition("eq", name.lower(), value)
        return
    if not isinstance(entry, list) or len(entry) != 3:
        raise Refused("InvalidPolicyDocument")
    operator, name, value = entry
    if operator not in ("eq", "starts-with", *_LISTS) or isinstance(value, list) != (operator in _LISTS):
        raise Refused("InvalidPolicyDocument")
    yield Condition(operator, name.removeprefix("$").lower(), value)
