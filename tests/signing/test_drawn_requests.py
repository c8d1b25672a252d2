"""The drawn requests hold the trouble that the signers are to be proved against."""

from __future__ import annotations

from collections import Counter

from hypothesis import given, settings

from tests.signing.strategies import METHODS, Case, cases, headers

HEADERS = headers(["content-type", "x-bce-acl"], "x-bce-meta-")


def kinds(case: Case) -> set[str]:
    names = [name for name, _ in case.params]
    values = case.headers.values()
    found = {f"{character} in a key" for character in " +%~*'()?&#=;" if character in case.key}
    found |= {f"{character} in a parameter" for character in " +%&=" if any(character in name for name in names)}
    facts = {
        "4-byte character": any(ord(character) > 0xFFFF for character in case.key),
        "leading slash": case.key.startswith("/"),
        "trailing slash": case.key.endswith("/"),
        "double slash": "//" in case.key,
        "repeated parameter": len(set(names)) < len(names),
        "empty parameter": any(not value for _, value in case.params),
        "empty header": any(not value for value in values),
        "padded header": any(value != value.strip() for value in values),
        "token": case.credentials.token is not None,
        "permanent keys": case.credentials.token is None,
    }
    return found | {name for name, held in facts.items() if held} | {case.method}


def test_every_kind_of_trouble_is_drawn() -> None:
    """In 600 requests, a third of a vendor's; the rarest come up about ten times."""
    counted: Counter[str] = Counter()

    @settings(max_examples=600, derandomize=True, deadline=None, database=None)
    @given(case=cases(HEADERS))
    def count(case: Case) -> None:
        counted.update(kinds(case))

    count()
    expected = {f"{character} in a key" for character in " +%~*'()?&#=;"} | set(METHODS)
    expected |= {f"{character} in a parameter" for character in " +%&="}
    expected |= {"4-byte character", "leading slash", "trailing slash", "double slash", "token", "permanent keys"}
    expected |= {"repeated parameter", "empty parameter", "empty header", "padded header"}
    assert {kind: counted[kind] for kind in expected if counted[kind] < 3} == {}
