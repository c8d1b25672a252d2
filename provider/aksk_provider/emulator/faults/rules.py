"""Which requests a fault hits, and the rules in force."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from fnmatch import fnmatchcase

from aksk_provider.emulator import operations
from aksk_provider.emulator.dialects import DIALECTS
from aksk_provider.emulator.faults.base import Chunks, Effect, Exchange, at_least
from aksk_provider.emulator.forms.post import post_object
from aksk_provider.emulator.model import Refused
from aksk_provider.emulator.operations import Operation, buckets, multipart, objects
from aksk_provider.emulator.operations.call import Call
from aksk_provider.emulator.replies import Reply
from aksk_provider.emulator.wire import Wire

_NAMES: Mapping[Operation, str] = {
    buckets.list_buckets: "list_buckets",
    buckets.head_bucket: "head_bucket",
    buckets.get_fact: "get_bucket",
    buckets.list_objects: "list",
    buckets.delete_objects: "delete_many",
    post_object: "post_form",
    objects.put_or_copy: "put",
    objects.get_object: "get",
    objects.head_object: "head",
    objects.delete_object: "delete",
    multipart.start_upload: "initiate",
    multipart.put_or_copy_part: "upload_part",
    multipart.complete_upload: "complete",
    multipart.abort_upload: "abort",
    multipart.list_parts: "list_parts",
    multipart.list_uploads: "list_uploads",
}
_COPIES = {"put": "copy", "upload_part": "copy_part"}
OPERATIONS = (*_NAMES.values(), *_COPIES.values())


@dataclass(frozen=True, slots=True)
class Fault:
    """A rule: what happens, and to which requests. What is not given does not matter.

    :param effect: what happens
    :param vendor: ``bos``, ``oss`` or ``cos``
    :param method: HTTP method
    :param bucket: name of the bucket
    :param key: pattern of the key; ``*``, ``?`` and ``[abc]`` as in file names, but ``*`` also means slashes
    :param operation: one of :data:`OPERATIONS`
    :param skip: so many of these requests go unharmed first
    :param nth: only this one is hit, counted from 1 after those skipped
    :param every: every so many of them are hit
    :param probability: each is hit with this probability
    :param seed: of the random numbers, so that a run can be repeated
    :param times: at most so many are hit
    """

    effect: Effect
    vendor: str | None = None
    method: str | None = None
    bucket: str | None = None
    key: str | None = None
    operation: str | None = None
    skip: int = 0
    nth: int | None = None
    every: int | None = None
    probability: float | None = None
    seed: int = 0
    times: int | None = None

    def __post_init__(self) -> None:
        """Refuse what no request could match."""
        for name, given, known in (("vendor", self.vendor, DIALECTS), ("operation", self.operation, OPERATIONS)):
            if given is not None and given not in known:
                raise ValueError(f"{name} must be one of {', '.join(known)}, not {given!r}")
        if self.method is not None and self.method != self.method.upper():
            raise ValueError(f"method must be in upper case, not {self.method!r}")
        if self.probability is not None and not 0 <= self.probability <= 1:
            raise ValueError(f"probability must be 0 to 1, not {self.probability}")
        at_least(0, skip=self.skip)
        at_least(1, nth=self.nth, every=self.every, times=self.times)

    def matches(self, exchange: Exchange) -> bool:
        """Tell whether a request is one of those meant."""
        call = exchange.call
        asked = (call.dialect.name, call.inbound.method, call.bucket_name, exchange.operation)
        wanted = (self.vendor, self.method, self.bucket, self.operation)
        if any(value is not None and value != given for value, given in zip(wanted, asked, strict=True)):
            return False
        return (self.key is None or fnmatchcase(call.key, self.key)) and self.effect.fits(exchange)


class Rule:
    """A fault in force, and how often it happened.

    :ivar seen: how many requests it matched
    :ivar fired: how many of them it hit
    """

    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        self.seen = 0
        self.fired = 0
        self._random = random.Random(fault.seed)  # noqa: S311 - to be repeatable

    def fires(self, exchange: Exchange) -> bool:
        """Count a request and tell whether it is hit."""
        fault = self.fault
        if not fault.matches(exchange):
            return False
        self.seen += 1
        turn = self.seen - fault.skip
        hit = (
            turn > 0
            and (fault.nth is None or turn == fault.nth)
            and (fault.every is None or turn % fault.every == 0)
            and (fault.times is None or self.fired < fault.times)
            and (fault.probability is None or self._random.random() < fault.probability)
        )
        self.fired += hit
        return hit


class Faults:
    """The rules in force. Every rule sees every request; all that fire act, in the order they were added."""

    def __init__(self, faults: Iterable[Fault] = ()) -> None:
        # Replaced, never changed: tests set rules from another thread than the server's.
        self.rules: tuple[Rule, ...] = ()
        self._expired: set[str] = set()
        for fault in faults:
            self.add(fault)

    def add(self, fault: Fault) -> Rule:
        """Put a rule into force; the result counts what it does."""
        rule = Rule(fault)
        self.rules = (*self.rules, rule)
        return rule

    def clear(self) -> None:
        """End all rules, and forget which tokens have expired."""
        self.rules = ()
        self._expired = set()

    def strike(self, call: Call, wire: Wire) -> Strike:
        """Return the faults that hit a request."""
        exchange = Exchange(call, _operation(call), wire, self._expired)
        return Strike(exchange, [rule.fault.effect for rule in self.rules if rule.fires(exchange)])


class Strike:
    """The faults that hit one request.

    :param exchange: the request
    :param effects: what they do, in order
    """

    def __init__(self, exchange: Exchange, effects: list[Effect]) -> None:
        now: datetime = exchange.call.now
        for effect in effects:
            now = effect.time(now)
        body = exchange.call.body
        for effect in effects:
            body = effect.request_body(body, exchange)
        #: The request as the faults leave it.
        self.call = replace(exchange.call, now=now, body=body)
        self._exchange = replace(exchange, call=self.call)
        self._effects = effects

    async def arrive(self) -> None:
        """Act before the request is verified."""
        for effect in self._effects:
            await effect.arrive(self._exchange)
        if self._exchange.token in self._exchange.expired:
            raise Refused("ExpiredToken")

    async def reply(self, reply: Reply) -> Reply:
        """Return the answer as the faults leave it."""
        for effect in self._effects:
            reply = await effect.reply(reply, self._exchange)
        return reply

    def answer_body(self, chunks: Chunks, reply: Reply) -> Chunks:
        """Return the body of the answer as the faults leave it."""
        for effect in self._effects:
            chunks = effect.answer_body(chunks, reply, self._exchange)
        return chunks


def _operation(call: Call) -> str:
    try:
        name = _NAMES[operations.find(call)]
    except Refused:
        return ""
    return name if call.own_header("copy-source") is None else _COPIES.get(name, name)
