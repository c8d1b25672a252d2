"""An Airflow of its own on SQLite, for the tests and the demo; everything it writes is below one folder.

This module imports no Airflow: the settings must be in the environment before anything does.
"""

from __future__ import annotations

import base64
import os
import secrets
from pathlib import Path
from typing import Any


def settings(home: Path, dags: Path | None = None) -> dict[str, str]:
    """Return the environment of an Airflow below ``home``.

    :param dags: folder of DAG files; by default an empty one
    """
    temporary = home / "tmp"
    dags = dags or home / "dags"
    for folder in (temporary, dags):
        folder.mkdir(parents=True, exist_ok=True)
    return {
        "AIRFLOW_HOME": str(home),
        "TMPDIR": str(temporary),
        "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
        "AIRFLOW__CORE__FERNET_KEY": base64.urlsafe_b64encode(os.urandom(32)).decode(),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
        "AIRFLOW__CORE__TEST_CONNECTION": "Enabled",
        "AIRFLOW__API_AUTH__JWT_SECRET": secrets.token_urlsafe(64),
        "AIRFLOW__API__SECRET_KEY": secrets.token_urlsafe(32),
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
        "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "5",
        # Proxies of the machine are not for loopback
        "NO_PROXY": "127.0.0.1,localhost",
        "no_proxy": "127.0.0.1,localhost",
    }


def create_database() -> None:
    """Create the metadata database of the Airflow in this process's environment."""
    from airflow.utils.db import initdb

    initdb()


def save_connection(conn_id: str, **fields: Any) -> None:
    """Create a connection of type ``aksk`` in the metadata database, or replace it."""
    from airflow.models import Connection
    from airflow.utils.session import create_session
    from sqlalchemy import delete

    with create_session() as session:
        session.execute(delete(Connection).where(Connection.conn_id == conn_id))
        session.add(Connection(conn_id=conn_id, conn_type="aksk", **fields))
