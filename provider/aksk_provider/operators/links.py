"""Buttons in the task page of Airflow's UI: to the cloud's console, and to the object itself.

They are made in the worker when the task has ended, also when it has failed, and kept in XCom.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperatorLink

from aksk_provider.operators.many import is_wildcard

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator
    from airflow.sdk.types import TaskInstanceKey

    from aksk_provider.storage import ObjectStore

log = logging.getLogger(__name__)


class ConsoleLink(BaseOperatorLink):
    """Opens the object's folder in the console of its cloud."""

    name = "Open in console"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        """Return the address; of several objects that of the folder they have in common, of none an empty one."""
        places = _places(operator)
        if not places:
            return ""
        store, bucket, keys = places
        common = os.path.commonprefix([_folder(key) for key in keys])  # noqa: RUF071 - cut back to its last slash below
        return store.config.vendor.console(store.config.region, bucket, _folder(common))


class ObjectLink(BaseOperatorLink):
    """Opens the object: for everybody where a presigned link was asked for, else for whoever may read it anyway."""

    name = "Object"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        """Return the presigned link that the task returned, or the object's URL without any signature."""
        places = _places(operator)
        if not places or len(places[2]) != 1:
            return ""
        store, bucket, (key,) = places
        if key.endswith("/") or not key or is_wildcard(key):
            return ""
        if getattr(operator, "emit", "") == "url" and getattr(operator, "method", "") == "GET":
            return _presigned(ti_key)
        endpoint = store.config.public_endpoint or store.config.endpoint
        return endpoint.url(bucket, key)


def _places(operator: Any) -> tuple[ObjectStore, str, Sequence[str]] | None:
    """Return the bucket and keys that a task is about; ``None`` where that cannot be told."""
    from aksk_provider.hooks.object_storage import ObjectStorageHook
    from aksk_provider.storage.config import locate_prefix

    keys = [operator.key] if isinstance(operator.key, str) else list(operator.key)
    try:
        store = ObjectStorageHook(operator.aksk_conn_id).store
        places = [locate_prefix(store.config, key, operator.bucket) for key in keys]
    except Exception as error:  # noqa: BLE001 - the task has failed for this and said so; Airflow would log it once more
        log.debug("no link: %s", type(error).__name__)
        return None
    if len({bucket for bucket, _ in places}) != 1:
        return None
    return store, places[0][0], [key for _, key in places]


def _folder(key: str) -> str:
    """Return the part of a key or pattern that ends with its last slash before any wildcard."""
    fixed = key
    for character in "*?[":
        fixed = fixed.partition(character)[0]
    folder, slash, _ = fixed.rpartition("/")
    return f"{folder}{slash}"


def _presigned(ti_key: TaskInstanceKey) -> str:
    from airflow.sdk.bases.xcom import BaseXCom
    from airflow.sdk.execution_time.xcom import XCom

    returned = XCom.get_value(ti_key=ti_key, key=BaseXCom.XCOM_RETURN_KEY)
    return str(returned.get("url", "")) if isinstance(returned, Mapping) else ""
