"""Rules as JSON: flat objects, the kind of fault beside the requests that it hits."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

from aksk_provider.emulator.faults.answers import Cut, Hang, Redirect, Reset, Status
from aksk_provider.emulator.faults.base import Effect
from aksk_provider.emulator.faults.bodies import (
    CutRequest,
    Flip,
    FlipRequest,
    Replace,
    Slow,
    WrongChecksum,
    WrongLength,
)
from aksk_provider.emulator.faults.rules import Fault
from aksk_provider.emulator.faults.state import ExpireToken, ForgetUpload, Skew

KINDS: Mapping[str, type[Effect]] = {
    "cut": Cut,
    "cut_request": CutRequest,
    "expire_token": ExpireToken,
    "flip": Flip,
    "flip_request": FlipRequest,
    "forget_upload": ForgetUpload,
    "hang": Hang,
    "redirect": Redirect,
    "replace": Replace,
    "reset": Reset,
    "skew": Skew,
    "slow": Slow,
    "status": Status,
    "wrong_checksum": WrongChecksum,
    "wrong_length": WrongLength,
}
_NAMES = {effect: name for name, effect in KINDS.items()}
# By annotation: what JSON has for it, and how to say that.
_TYPES: Mapping[str, tuple[tuple[type, ...], str]] = {
    "bool": ((bool,), "true or false"),
    "bytes": ((str,), "text"),
    "float": ((int, float), "a number"),
    "int": ((int,), "a whole number"),
    "str": ((str,), "text"),
    "Mapping[str, str]": ((dict,), "an object whose values are texts"),
}


def read(text: str | bytes) -> list[Fault]:
    """Read a JSON list of rules.

    :raises ValueError: says which rule and which field is wrong, and why
    """
    try:
        listed = json.loads(text)
    except ValueError as error:
        raise ValueError(f"this is not JSON: {error}") from error
    if not isinstance(listed, list):
        raise ValueError("the rules must be a list")
    faults = []
    for number, rule in enumerate(listed, 1):
        try:
            faults.append(from_json(rule))
        except ValueError as error:
            raise ValueError(f"rule {number}: {error}") from error
    return faults


def from_json(rule: object) -> Fault:
    """Read one rule.

    :raises ValueError: says which field is wrong, and why
    """
    if not isinstance(rule, dict):
        raise ValueError("a rule must be an object")
    kind = rule.get("fault")
    if not isinstance(kind, str) or kind not in KINDS:
        raise ValueError(f"fault must be one of {', '.join(KINDS)}, not {kind!r}")
    of_effect, of_rule = _fields(KINDS[kind]), _fields(Fault)
    del of_rule["effect"]
    given = {name: value for name, value in rule.items() if name != "fault"}
    if unknown := next((name for name in given if name not in of_effect and name not in of_rule), None):
        known = f"{', '.join(of_effect) or 'none'}; every rule has {', '.join(of_rule)}"
        raise ValueError(f"{kind} has no field {unknown!r}; its own are {known}")
    if missing := next((name for name, field in of_effect.items() if _required(field) and name not in given), None):
        raise ValueError(f"{kind} needs {missing}")
    effect = KINDS[kind](**{name: _value(of_effect[name], given[name]) for name in given if name in of_effect})
    return Fault(effect, **{name: _value(of_rule[name], given[name]) for name in given if name in of_rule})


def to_json(fault: Fault) -> dict[str, Any]:
    """Write one rule, without what is as by default."""
    said: dict[str, Any] = {"fault": _NAMES.get(type(fault.effect), type(fault.effect).__name__)}
    for part in (fault.effect, fault):
        for name, field in _fields(type(part)).items():
            value = getattr(part, name)
            if name != "effect" and value not in (field.default, {}):
                said[name] = value.decode("utf-8", "replace") if isinstance(value, bytes) else value
    return said


def _fields(kind: Any) -> dict[str, dataclasses.Field[Any]]:
    return {field.name: field for field in dataclasses.fields(kind)}


def _required(field: dataclasses.Field[Any]) -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def _value(field: dataclasses.Field[Any], given: object) -> Any:
    annotation, optional, _ = str(field.type).partition(" | None")
    types, said = _TYPES[annotation]
    if given is None and optional:
        return None
    wrong = not isinstance(given, types) or (isinstance(given, bool) and annotation != "bool")
    if wrong or (isinstance(given, dict) and not all(isinstance(value, str) for value in given.values())):
        raise ValueError(f"{field.name} must be {said}, not {json.dumps(given)}")
    return given.encode() if annotation == "bytes" and isinstance(given, str) else given
