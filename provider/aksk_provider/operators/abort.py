"""Clean up uploads that were never completed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from airflow.sdk import BaseOperator, Context

from aksk_provider.hooks.object_storage import ObjectStorageHook


class AbortIncompleteUploadsOperator(BaseOperator):
    """Drop uploads in parts that were begun and never completed; their parts are stored, and paid for, until then.

    XCom: ``count, uris``.

    :param prefix: what the keys start with, or a URI; by default all of the bucket
    :param bucket: bucket, by default the connection's
    :param older_than: how long ago an upload must have been begun; a younger one may still be running
    :param aksk_conn_id: id of a connection of type ``aksk``
    """

    template_fields: Sequence[str] = ("prefix", "bucket", "aksk_conn_id")
    ui_color = "#f4cccc"

    def __init__(
        self,
        *,
        prefix: str = "",
        bucket: str | None = None,
        older_than: timedelta = timedelta(days=1),
        aksk_conn_id: str = ObjectStorageHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.prefix = prefix
        self.bucket = bucket
        self.older_than = older_than
        self.aksk_conn_id = aksk_conn_id

    def execute(self, context: Context) -> dict[str, Any]:
        """Drop them, and return which."""
        hook = ObjectStorageHook(self.aksk_conn_id)
        uris = list(hook.abort_incomplete(self.prefix, self.bucket, older_than=self.older_than))
        return {"count": len(uris), "uris": uris}
