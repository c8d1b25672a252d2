"""Wait for objects."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from airflow.configuration import conf
from airflow.sdk import BaseSensorOperator, Context, PokeReturnValue

from aksk_provider.errors import ObjectStorageError
from aksk_provider.hooks.object_storage import ObjectStorageHook


class ObjectKeySensor(BaseSensorOperator):
    """Wait until each key has an object.

    Only a 404 means "not yet there"; any other failure, such as a 403 or a missing bucket, fails the task at once with
    the vendor's code. XCom: the matched objects as a list of dictionaries.

    :param key: key or URI, or a list of them; ``*``, ``?`` and ``[...]`` are wildcards (``[*]`` is a literal star)
    :param bucket: bucket, by default the connection's
    :param deferrable: wait in the triggerer, holding no worker slot; by default as ``[operators] default_deferrable``
    :param aksk_conn_id: id of a connection of type ``aksk``
    """

    template_fields: Sequence[str] = ("key", "bucket", "aksk_conn_id")
    ui_color = "#cfe2f3"

    def __init__(
        self,
        *,
        key: str | Sequence[str],
        bucket: str | None = None,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        aksk_conn_id: str = ObjectStorageHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.key = key
        self.bucket = bucket
        self.deferrable = deferrable
        self.aksk_conn_id = aksk_conn_id

    def poke(self, context: Context) -> PokeReturnValue:
        """Look once."""
        from aksk_provider.storage.matching import find_all

        found = find_all(ObjectStorageHook(self.aksk_conn_id).store, self._keys, self.bucket)
        self.log.info("%s: %s", ", ".join(self._keys), "not yet there" if found is None else f"{len(found)} objects")
        return PokeReturnValue(found is not None, [info.as_dict() for info in found or ()])

    def execute(self, context: Context) -> Any:
        """Wait in the worker, or in the triggerer when the first look does not find everything."""
        if not self.deferrable:
            return super().execute(context)
        first = self.poke(context)
        if first:
            return first.xcom_value
        from aksk_provider.triggers.object_key import ObjectKeyTrigger

        return self.defer(
            trigger=ObjectKeyTrigger(
                keys=self._keys,
                bucket=self.bucket,
                aksk_conn_id=self.aksk_conn_id,
                poke_interval=self.poke_interval,
            ),
            method_name="execute_complete",
            timeout=timedelta(seconds=self.timeout),
        )

    def execute_complete(self, context: Context, event: dict[str, Any]) -> Any:
        """Return the objects that the trigger found, or raise its error."""
        if event["status"] != "found":
            raise ObjectStorageError(event["message"])
        return event["objects"]

    @property
    def _keys(self) -> list[str]:
        return [self.key] if isinstance(self.key, str) else list(self.key)
