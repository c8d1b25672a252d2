"""Property tests against a vendor's SDK, and the count of the examples they really compared."""

from __future__ import annotations

import functools
import os
from collections import Counter, defaultdict
from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings

WANTED = 2_000
EFFORT = int(os.environ.get("AKSK_SIGNING_EFFORT", "1"))
declared: dict[str, dict[str, int]] = defaultdict(dict)
compared: Counter[str] = Counter()


def against_sdk(vendor: str, examples: int, **strategies: Any) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Run a test for that many drawn examples, the same ones every time, and count those that held.

    conftest.py fails the test if fewer were compared than declared, and prints the sums. ``AKSK_SIGNING_EFFORT=20``
    in the environment draws twenty times as many, other ones in every run.
    """

    def decorate(test: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(test)
        def counting(**drawn: Any) -> None:
            test(**drawn)
            compared[vendor] += 1

        run = settings(
            max_examples=examples * EFFORT,
            derandomize=EFFORT == 1,
            deadline=None,
            database=None,
            phases=[Phase.explicit, Phase.generate, Phase.shrink],
            suppress_health_check=[HealthCheck.too_slow],
        )(given(**strategies)(counting))
        run.against_sdk = (vendor, examples)
        declared[vendor][test.__qualname__] = examples
        return run

    return decorate


def assert_enough_are_declared(vendor: str) -> None:
    """Hold a vendor's test file to the number of examples that the project promises."""
    assert sum(declared[vendor].values()) >= WANTED
