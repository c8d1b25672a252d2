"""``/-/faults``: the rules over HTTP, for tests that are not in the emulator's process. No bucket is called ``-``."""

from __future__ import annotations

import json
from collections.abc import Mapping

from aksk_provider.emulator.faults.documents import read, to_json
from aksk_provider.emulator.faults.rules import Faults
from aksk_provider.emulator.model import Bucket, Inbound, Refused
from aksk_provider.emulator.replies import Reply
from aksk_provider.emulator.routing import route

PATH = "/-/faults"


def is_meant(inbound: Inbound, buckets: Mapping[tuple[str, str], Bucket], domains: Mapping[str, Bucket]) -> bool:
    """Tell whether a request is about the rules; at the host of a bucket the path is a key."""
    if inbound.path != PATH:
        return False
    try:
        return route(inbound, buckets, domains).bucket == "-"
    except Refused:
        return True


def answer(faults: Faults, method: str, body: bytes) -> Reply:
    """Tell the rules and their counts, after replacing them (PUT) or ending them (DELETE)."""
    if method not in ("GET", "PUT", "DELETE"):
        return _json(405, {"error": "the rules take GET, PUT and DELETE"}, {"allow": "GET, PUT, DELETE"})
    if method == "PUT":
        try:
            wanted = read(body)
        except ValueError as error:
            return _json(400, {"error": str(error)})
        faults.clear()
        for fault in wanted:
            faults.add(fault)
    elif method == "DELETE":
        faults.clear()
    told = [{"rule": to_json(rule.fault), "seen": rule.seen, "fired": rule.fired} for rule in faults.rules]
    return _json(200, told)


def _json(status: int, said: object, headers: Mapping[str, str] | None = None) -> Reply:
    body = f"{json.dumps(said, ensure_ascii=False, indent=2)}\n".encode()
    return Reply(status, {**(headers or {}), "content-type": "application/json; charset=utf-8"}, body)
