"""Carries an error from the triggerer to the worker, so that the task fails with the error it would raise itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aksk_provider import errors

_FIELDS = ("vendor", "operation", "status", "code", "message", "request_id", "hint", "retry_after")


def to_plain(error: errors.ObjectStorageError) -> dict[str, Any]:
    """Return an error as plain JSON values; it holds no secret."""
    told: dict[str, Any] = {"class": type(error).__name__, "message": str(error)}
    if isinstance(error, errors.ServiceError):
        told["fields"] = {name: getattr(error, name) for name in _FIELDS}
    return told


def from_plain(told: Mapping[str, Any]) -> errors.ObjectStorageError:
    """Return the error that :func:`to_plain` wrote."""
    kind = getattr(errors, str(told["class"]), None)
    if not (isinstance(kind, type) and issubclass(kind, errors.ObjectStorageError)):
        return errors.ObjectStorageError(told["message"])
    if issubclass(kind, errors.ServiceError):
        return kind(**told["fields"])
    return kind(told["message"])
