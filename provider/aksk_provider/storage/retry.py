"""Which failures may pass, and how long to wait for that."""

from __future__ import annotations

import logging

import tenacity
from requests.exceptions import InvalidHeader, InvalidURL, SSLError

from aksk_provider.errors import InvalidRequestError, ObjectStorageError, TransportError
from aksk_provider.storage.config import Endpoint

log = logging.getLogger(__name__)
_BACKOFF = tenacity.wait_random_exponential(multiplier=0.5, max=20)
_LONGEST_WAIT = 120.0


def policy(max_attempts: int) -> tenacity.Retrying:
    """Return a policy that repeats what failed with an error marked ``retryable``.

    It waits as long as the store asked (``Retry-After``, at most two minutes), else exponentially with jitter.
    """
    return tenacity.Retrying(
        stop=tenacity.stop_after_attempt(max_attempts),
        retry=tenacity.retry_if_exception(lambda error: getattr(error, "retryable", False)),
        wait=_wait,
        before_sleep=_log_retry,
        reraise=True,
    )


def transport_error(doing: str, endpoint: Endpoint, error: Exception) -> ObjectStorageError:
    """Return the error for a request that got no answer, or none in full."""
    if isinstance(error, InvalidHeader | InvalidURL):
        return InvalidRequestError(f"{doing} cannot be sent: {error}")
    failure = TransportError(f"{doing}: no complete answer from {endpoint.host} ({_innermost(error)})")
    failure.retryable = not isinstance(error, SSLError)
    return failure


def _innermost(error: BaseException) -> str:
    while error.args and isinstance(inner := getattr(error.args[0], "reason", error.args[0]), BaseException):
        error = inner
    return f"{type(error).__name__}: {error}"


def _wait(state: tenacity.RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    asked = getattr(error, "retry_after", None)
    return _BACKOFF(state) if asked is None else min(float(asked), _LONGEST_WAIT)


def _log_retry(state: tenacity.RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome else None
    wait = state.next_action.sleep if state.next_action else 0
    log.warning("attempt %d failed, next in %.1f s: %s", state.attempt_number, wait, error)
