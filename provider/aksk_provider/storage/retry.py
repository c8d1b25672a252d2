"""Which failures may pass, and how long to wait for that."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

import tenacity
from requests.exceptions import InvalidHeader, InvalidURL
from requests.exceptions import SSLError as RequestsSSLError
from tenacity.stop import stop_base
from urllib3.exceptions import LocationValueError, SSLError

from aksk_provider.errors import InvalidRequestError, ObjectStorageError, TransferCancelledError, TransportError
from aksk_provider.storage.config import Endpoint

log = logging.getLogger(__name__)
_BACKOFF = tenacity.wait_random_exponential(multiplier=0.5, max=20)
_LONGEST_WAIT = 120.0
T = TypeVar("T")
_cancelled: ContextVar[threading.Event | None] = ContextVar("cancelled", default=None)


@contextmanager
def ended_by(cancelled: threading.Event) -> Iterator[None]:
    """Let an event end the waiting between attempts in this block, and in the threads that have its context."""
    token = _cancelled.set(cancelled)
    try:
        yield
    finally:
        _cancelled.reset(token)


def policy(
    max_attempts: int,
    reached: Callable[[], int] = lambda: 0,
    before_sleep: Callable[[tenacity.RetryCallState], None] = lambda _: None,
) -> tenacity.Retrying:
    """Return a policy that repeats what failed with an error marked ``retryable``.

    :param max_attempts: how often it is tried without getting any further
    :param reached: tells how far it got
    :param before_sleep: told of every failure that is repeated

    It waits as long as the store asked (``Retry-After``, at most two minutes), else exponentially with jitter.
    """
    return tenacity.Retrying(
        stop=_StopWithoutProgress(max_attempts, reached),
        retry=tenacity.retry_if_exception(is_retryable),
        wait=_wait,
        sleep=_sleep,
        before_sleep=_told(before_sleep),
        reraise=True,
    )


def repeated(make_policy: Callable[[], tenacity.Retrying], attempt: Callable[..., T], *arguments: object) -> T:
    """Try, and repeat by a policy what may pass; it is made only then, since making it costs as much as a signature."""
    try:
        return attempt(*arguments)
    except ObjectStorageError as error:
        if not error.retryable:
            raise
        failures = [error]

    def again() -> T:
        if failures:
            raise failures.pop()
        return attempt(*arguments)

    return make_policy()(again)


def async_policy(
    max_attempts: int, before_sleep: Callable[[tenacity.RetryCallState], None] = lambda _: None
) -> tenacity.AsyncRetrying:
    """Return the same policy for coroutines, which sleeps without blocking."""
    return tenacity.AsyncRetrying(
        stop=tenacity.stop_after_attempt(max_attempts),
        retry=tenacity.retry_if_exception(is_retryable),
        wait=_wait,
        before_sleep=_told(before_sleep),
        reraise=True,
    )


def is_retryable(error: BaseException) -> bool:
    """Tell whether a failure may pass."""
    return bool(getattr(error, "retryable", False))


class _StopWithoutProgress(stop_base):
    def __init__(self, max_attempts: int, reached: Callable[[], int]) -> None:
        self._max_attempts = max_attempts
        self._reached = reached
        self._failures: dict[int, int] = {}

    def __call__(self, state: tenacity.RetryCallState) -> bool:
        """Count the failures at the place that was reached."""
        place = self._reached()
        self._failures = {place: self._failures.get(place, 0) + 1}
        return self._failures[place] >= self._max_attempts


def transport_error(doing: str, endpoint: Endpoint, error: Exception) -> ObjectStorageError:
    """Return the error for a request that got no answer, or none in full."""
    if isinstance(error, InvalidHeader | InvalidURL | LocationValueError):
        return InvalidRequestError(f"{doing} cannot be sent: {error}")
    failure = TransportError(f"{doing}: no complete answer from {endpoint.host} ({_innermost(error)})")
    failure.retryable = not isinstance(error, SSLError | RequestsSSLError)
    return failure


def _innermost(error: BaseException) -> str:
    while error.args and isinstance(inner := getattr(error.args[0], "reason", error.args[0]), BaseException):
        error = inner
    return f"{type(error).__name__}: {error}"


def _wait(state: tenacity.RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    asked = getattr(error, "retry_after", None)
    return _BACKOFF(state) if asked is None else min(float(asked), _LONGEST_WAIT)


def _sleep(seconds: float) -> None:
    if (cancelled := _cancelled.get()) is None:
        time.sleep(seconds)
    elif cancelled.wait(seconds):
        raise TransferCancelledError("cancelled while waiting for the next attempt")


def _told(before_sleep: Callable[[tenacity.RetryCallState], None]) -> Callable[[tenacity.RetryCallState], None]:
    def tell(state: tenacity.RetryCallState) -> None:
        _log_retry(state)
        before_sleep(state)

    return tell


def _log_retry(state: tenacity.RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome else None
    wait = state.next_action.sleep if state.next_action else 0
    log.warning("attempt %d failed, next in %.1f s: %s", state.attempt_number, wait, error)
