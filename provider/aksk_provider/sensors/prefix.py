"""Wait for what is under a prefix."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from aksk_provider.errors import InvalidRequestError
from aksk_provider.sensors.base import WaitingSensor
from aksk_provider.sensors.object_key import seconds

if TYPE_CHECKING:
    from aksk_provider.storage.waiting.conditions import Prefix, Unchanged


class PrefixSensor(WaitingSensor):
    """Wait until there is enough under a prefix: objects, bytes, a marker; all that is given must hold.

    XCom: ``prefix, count, size, marker``. Counting stops as soon as there is enough, so ``count`` and ``size`` are at
    least what was asked for; they are ``None`` when only a marker was. Folder placeholders and the marker do not count.

    :param prefix: what the keys start with, or a URI
    :param bucket: bucket, by default the connection's
    :param min_objects: number of objects; 1 when nothing else is given
    :param min_bytes: bytes in all
    :param marker: name under the prefix of an object that tells that all is there, such as ``_SUCCESS``
    :param deferrable: wait in the triggerer, holding no worker slot; by default as ``[operators] default_deferrable``
    :param aksk_conn_id: id of a connection of type ``aksk``
    """

    template_fields: Sequence[str] = ("prefix", "bucket", "marker", "aksk_conn_id")

    def __init__(
        self,
        *,
        prefix: str,
        bucket: str | None = None,
        min_objects: int | None = None,
        min_bytes: int = 0,
        marker: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.prefix = prefix
        self.bucket = bucket
        self.min_objects = min_objects
        self.min_bytes = min_bytes
        self.marker = marker

    def condition(self) -> Prefix:
        """Return what is waited for."""
        from aksk_provider.storage.waiting.conditions import Prefix

        at_least = 0 if self.min_bytes or self.marker else 1
        return Prefix(
            prefix=self.prefix,
            bucket=self.bucket,
            min_objects=at_least if self.min_objects is None else self.min_objects,
            min_bytes=self.min_bytes,
            marker=self.marker,
        )


class PrefixUnchangedSensor(WaitingSensor):
    """Wait until what is under a prefix has been left alone for a while.

    The time counts from when the last object was written, by the store's clock, so what was complete before the sensor
    began needs no further wait, and ``mode="reschedule"`` and a restarted triggerer lose nothing. An object that is
    gone between two looks counts as a change where the sensor remembers it: not in ``mode="reschedule"``, and not
    across a restart of the triggerer.

    XCom: ``prefix, count, size, last_modified``.

    :param prefix: what the keys start with, or a URI
    :param bucket: bucket, by default the connection's
    :param min_objects: number of objects there must be, at least 1
    :param inactivity_period: for how long nothing may have changed: time or seconds
    :param allow_delete: ``False`` fails the task when an object is gone between two looks
    :param deferrable: wait in the triggerer, holding no worker slot; by default as ``[operators] default_deferrable``
    :param aksk_conn_id: id of a connection of type ``aksk``
    """

    template_fields: Sequence[str] = ("prefix", "bucket", "aksk_conn_id")

    def __init__(
        self,
        *,
        prefix: str,
        bucket: str | None = None,
        min_objects: int = 1,
        inactivity_period: timedelta | float = timedelta(hours=1),
        allow_delete: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if not allow_delete and self.reschedule and not self.deferrable:
            raise InvalidRequestError(
                "allow_delete=False needs to remember what there was: use deferrable=True or mode='poke'"
            )
        self.prefix = prefix
        self.bucket = bucket
        self.min_objects = min_objects
        self.inactivity_period = inactivity_period
        self.allow_delete = allow_delete

    def condition(self) -> Unchanged:
        """Return what is waited for."""
        from aksk_provider.storage.waiting.conditions import Unchanged

        return Unchanged(
            prefix=self.prefix,
            bucket=self.bucket,
            min_objects=self.min_objects,
            inactivity_period=seconds(self.inactivity_period),
            allow_delete=self.allow_delete,
        )
