"""What the doctor found, as values."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any, Literal

Level = Literal["ok", "warn", "error"]
_MARKS = {"ok": "ok   ", "warn": "warn ", "error": "ERROR"}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    :param level: ``ok``; ``warn``: it may work, but not for everybody; ``error``: it cannot work
    :param text: what it is, in one sentence
    :param advice: what to do, empty where there is nothing to do
    """

    level: Level
    text: str
    advice: str = ""

    def __str__(self) -> str:
        """Say both in one line."""
        return f"{_begun(self.text)}. {_begun(self.advice)}" if self.advice else _begun(self.text)


@dataclass(frozen=True, slots=True)
class Report:
    """All that was found, in the order in which it was looked at.

    :param subject: what was examined, without its signature
    """

    subject: str
    findings: Sequence[Finding]

    @property
    def ok(self) -> bool:
        """Whether nothing was found that keeps it from working."""
        return all(finding.level != "error" for finding in self.findings)

    @property
    def summary(self) -> str:
        """The first error; without one, that nothing is wrong, and the warnings."""
        for finding in self.findings:
            if finding.level == "error":
                return str(finding)
        warnings = [str(finding) for finding in self.findings if finding.level == "warn"]
        return ". ".join(["Nothing is wrong" if not warnings else "Nothing is wrong, with a warning", *warnings])

    def as_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        findings = [asdict(finding) for finding in self.findings]
        return {"subject": self.subject, "ok": self.ok, "summary": self.summary, "findings": findings}

    def __str__(self) -> str:
        """Write a line for each finding."""
        return "\n".join([self.subject, *(f"  {_MARKS[found.level]}  {found}" for found in self.findings)])


def _begun(sentence: str) -> str:
    """Return a sentence with a capital, unless it starts with a name such as ``x-oss-date`` or a host."""
    word = sentence.partition(" ")[0]
    return sentence if re.search(r"[-.:/]", word) else sentence[:1].upper() + sentence[1:]


def joined(findings: Iterable[Finding]) -> str:
    """Return what is wrong as running text, for the hint of an error."""
    return ". ".join(str(finding) for finding in findings if finding.level != "ok")


def told(span: timedelta) -> str:
    """Return a span of time with its two largest units, as people say it."""
    seconds = int(abs(span.total_seconds()))
    units = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))
    parts: list[str] = []
    for name, length in units:
        if seconds >= length or (name == "s" and not parts):
            parts.append(f"{seconds // length} {name}")
            seconds %= length
    return " ".join(parts[:2])
