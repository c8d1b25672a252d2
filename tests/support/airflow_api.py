"""The REST API of a running Airflow."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3 import Retry

#: on SQLite the API answers 500 to a question while another process writes to the database
_ASKED_AGAIN = Retry(total=5, status_forcelist=[500], allowed_methods=["GET"], backoff_factor=0.5)


class Api:
    """The REST API of a running Airflow.

    :param port: its port of the loopback interface
    """

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.mount("http://", HTTPAdapter(max_retries=_ASKED_AGAIN))
        token = self.session.get(f"{self.url}/auth/token", timeout=10).json()["access_token"]
        self.session.headers["Authorization"] = f"Bearer {token}"

    def call(self, method: str, path: str, **body: Any) -> dict[str, Any]:
        answer = self.session.request(method, f"{self.url}/api/v2/{path}", json=body or None, timeout=30)
        assert answer.ok, answer.text
        return dict(answer.json())

    def start(self, dag_id: str, **conf: Any) -> str:
        """Start a run and return its path."""
        made = self.call("POST", f"dags/{dag_id}/dagRuns", logical_date=None, conf=conf)
        return f"dags/{dag_id}/dagRuns/{requests.utils.quote(made['dag_run_id'], safe='')}"

    def state(self, path: str) -> str:
        return str(self.call("GET", path)["state"])


def until(true: Callable[[], object], seconds: float = 180) -> None:
    """Wait until something is true."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it took too long"
        time.sleep(0.3)
