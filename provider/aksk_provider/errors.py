"""Every error this provider raises, in one tree.

::

    ObjectStorageError
    ├── InvalidRequestError   refused here, before anything was sent (also a ValueError)
    │   └── ConnectionConfigError   a field of the connection is missing or wrong
    ├── TransportError        no answer: refused, reset, timed out, TLS (retryable)
    ├── TransfersFailedError  some of many files failed; the message names them
    ├── TransferCancelledError  the task was asked to stop; the transfer can be resumed
    ├── IntegrityError        the bytes that arrived are not the bytes that were promised
    │   ├── ChecksumMismatchError   the store's checksum and ours differ
    │   └── ObjectChangedError    the object was replaced while it was read
    └── ServiceError          the store answered with an error
        ├── NotFoundError         404
        │   └── BucketNotFoundError   404 with the vendor's code for a missing bucket
        ├── PermissionDeniedError 401, 403, or the vendor's code for a wrong key or signature
        ├── ConflictError         409
        │   └── ObjectExistsError     409 or 412 because overwriting was not allowed
        ├── PreconditionFailedError   304, 412
        ├── ThrottledError        429, or the vendor's "slow down" (retryable)
        └── ServerError           5xx (retryable)

No error carries a secret key, a token or a signature.
"""

from __future__ import annotations


class ObjectStorageError(Exception):
    """Base of all errors of this provider."""

    retryable = False


class InvalidRequestError(ObjectStorageError, ValueError):
    """An argument was refused before anything was sent."""


class ConnectionConfigError(InvalidRequestError):
    """A field of the connection is missing, unknown or wrong; the message names the field."""


class TransportError(ObjectStorageError):
    """The store did not answer: connection refused or reset, time-out, TLS failure."""

    retryable = True


class IntegrityError(ObjectStorageError):
    """A size or checksum differs from what the store reported; nothing was written to the target."""


class ChecksumMismatchError(IntegrityError):
    """The store's checksum and that of the bytes here differ; the message has both."""


class ObjectChangedError(IntegrityError):
    """The object was replaced while it was read; nothing of it was kept."""


class TransferCancelledError(ObjectStorageError):
    """The transfer was asked to stop; what was moved is kept, and the next attempt continues."""


class TransfersFailedError(ObjectStorageError):
    """Some of many files failed; the others were moved."""


class ServiceError(ObjectStorageError):
    """The store answered with an error.

    :param vendor: ``bos``, ``oss`` or ``cos``
    :param operation: what was asked, e.g. ``GET oss://bucket/key``
    :param status: HTTP status; 200 is possible where a vendor reports errors in the body
    :param code: the vendor's error code, e.g. ``NoSuchKey``; empty where the answer has none
    :param message: the vendor's message
    :param request_id: the vendor's request id, to be quoted to its support
    :param hint: what to do next, where we know it
    :param retry_after: seconds the store asked to wait, if it did

    ``clock_skew`` is by how many seconds this machine's clock was behind the store's, where its answer told the time.
    """

    def __init__(
        self,
        *,
        vendor: str,
        operation: str,
        status: int,
        code: str,
        message: str = "",
        request_id: str | None = None,
        hint: str = "",
        retry_after: float | None = None,
    ) -> None:
        self.vendor = vendor
        self.operation = operation
        self.status = status
        self.code = code
        self.message = message
        self.request_id = request_id
        self.hint = hint
        self.retry_after = retry_after
        self.clock_skew: float | None = None
        super().__init__(self._text())

    def advise(self, hint: str) -> None:
        """Say something else about what to do, once more is known."""
        self.hint = hint
        self.args = (self._text(),)

    def _text(self) -> str:
        parts = [f"{self.operation} failed: HTTP {self.status} {self.code}".rstrip()]
        if self.message:
            parts.append(f": {self.message}")
        if self.request_id:
            parts.append(f" (request id {self.request_id})")
        if self.hint:
            parts.append(f". {self.hint}")
        return "".join(parts)


class NotFoundError(ServiceError):
    """The object (or version, or upload) does not exist."""


class BucketNotFoundError(NotFoundError):
    """The bucket does not exist at this endpoint."""


class PermissionDeniedError(ServiceError):
    """Refused: wrong key, signature, token, expired credentials, or no right to do this."""


class ConflictError(ServiceError):
    """The request conflicts with the state of the object or bucket."""


class ObjectExistsError(ConflictError):
    """The object exists already and overwriting was not allowed."""


class PreconditionFailedError(ServiceError):
    """An ``If-*`` condition did not hold."""


class ThrottledError(ServiceError):
    """The store asks to slow down."""

    retryable = True


class ServerError(ServiceError):
    """The store failed; the same request may succeed later."""

    retryable = True
