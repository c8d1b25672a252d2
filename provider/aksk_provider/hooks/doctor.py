"""The doctor's visit to a connection of Airflow."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aksk_provider.storage.doctor import Report


def examine_connection(conn_id: str = "aksk_default") -> Report:
    """Try a connection and say what works and what is wrong: endpoint, credentials, clock, network, bucket, rights.

    It works without the right to list buckets. No secret is in the report.

    :param conn_id: id of a connection of type ``aksk``
    """
    from aksk_provider.errors import ConnectionConfigError
    from aksk_provider.hooks.object_storage import ObjectStorageHook
    from aksk_provider.storage.doctor import Finding, Report, examine_store

    subject = f"connection {conn_id}"
    try:
        store = ObjectStorageHook(conn_id).store
    except ConnectionConfigError as error:
        return Report(subject, [Finding("error", str(error), "correct this field of the connection")])
    with store:
        return examine_store(store, subject, datetime.now(timezone.utc))
