"""The doctor's visit to a connection of Airflow."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aksk_provider.hooks.object_storage import ObjectStorageHook
    from aksk_provider.storage.doctor import Report


def examine_connection(conn_id: str = "aksk_default") -> Report:
    """Try a connection and say what works and what is wrong: endpoint, credentials, clock, network, bucket, rights.

    It works without the right to list buckets. No secret is in the report.

    :param conn_id: id of a connection of type ``aksk``
    """
    from aksk_provider.hooks.object_storage import ObjectStorageHook

    return examine_hook(ObjectStorageHook(conn_id))


def examine_hook(hook: ObjectStorageHook) -> Report:
    """Do the same with a hook that is there already."""
    from aksk_provider.errors import ConnectionConfigError
    from aksk_provider.storage.doctor import Finding, Report, examine_store

    subject = f"connection {hook.aksk_conn_id}"
    try:
        store = hook.store
    except ConnectionConfigError as error:
        return Report(subject, [Finding("error", str(error), "correct this field of the connection")])
    with store:
        return examine_store(store, subject, datetime.now(timezone.utc))


def in_one_sentence(report: Report) -> str:
    """Return what the Test button shows: the first error; without one, what the store accepted, and warnings."""
    if not report.ok:
        # Airflow's button tests a connection under a name that it makes up
        text, name = report.summary, f"{report.subject}: "
        return text[len(name) :] if text.lower().startswith(name.lower()) else text
    last = report.findings[-1]
    return ". ".join(str(finding) for finding in report.findings if finding is last or finding.level == "warn")
