"""The operator's options are templates, its XCom keeps its keys, and what is against a link is an XCom of its own."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import requests
from airflow.sdk import DAG, task

from aksk_provider.errors import InvalidRequestError
from aksk_provider.operators import PresignURLOperator
from aksk_provider.storage.presigning.lint import LOOPBACK
from tests.support import dag_runs
from tests.support.clouds import Cloud

Put = Callable[..., str]
KEYS = {"uri", "method", "url", "expires_at", "signed_headers"}


@pytest.fixture(autouse=True)
def connection(oss: Cloud, in_database: Put) -> None:
    in_database(oss)


@task
def told(ti: Any) -> list[str] | None:
    """Pull what a user's task would."""
    return ti.xcom_pull(task_ids="link", key="warnings")


def run(**arguments: Any) -> dag_runs.RunResult:
    with DAG("presign_options", schedule=None, params={"name": "报告", "size": 3}) as dag:
        PresignURLOperator(task_id="link", **arguments) >> told()
    return dag_runs.run(dag)


def test_overrides_and_endpoint_are_templates(oss: Cloud) -> None:
    with oss.store() as store:
        store.put("options/file", b"content")
    result = run(
        key="options/file",
        filename="{{ params.name }} {{ ds_nodash }}.csv",
        response_content_type="text/{{ 'x-own' }}",
        response_content_language="{{ 'zh' }}",
        response_content_encoding="{{ 'x-none' }}",
        response_cache_control="max-age={{ 6 * 7 }}",
        response_expires="{{ 0 }}",
        endpoint=f"{{{{ '{oss.emulator.endpoint}' }}}}",
    )
    link = result.xcom("link")
    assert set(link) == KEYS
    answer = requests.get(link["url"], headers=link["signed_headers"], timeout=10)
    assert answer.content == b"content"
    assert "filename*=UTF-8''%E6%8A%A5%E5%91%8A%2020" in answer.headers["Content-Disposition"]
    told = ("Content-Type", "Content-Language", "Content-Encoding", "Cache-Control", "Expires")
    assert [answer.headers[name] for name in told] == ["text/x-own", "zh", "x-none", "max-age=42", "0"]


def test_constraints_are_templates(oss: Cloud) -> None:
    result = run(
        key="options/fixed",
        method="PUT",
        content_type="text/{{ 'csv' }}",
        content_length="{{ params.size }}",
        content_md5="{{ 'kAFQmDzST7DWlj99KOF/cg==' }}",
    )
    link = result.xcom("link")
    assert link["signed_headers"] == {
        "Content-Type": "text/csv",
        "Content-Length": "3",
        "Content-MD5": "kAFQmDzST7DWlj99KOF/cg==",
    }
    assert requests.put(link["url"], b"abc", headers=link["signed_headers"], timeout=10).status_code == 200


def test_warnings_are_an_xcom_of_their_own() -> None:
    result = run(key=["a", "b"])
    assert [set(link) for link in result.xcom("link")] == [KEYS, KEYS]
    assert result.xcom("told") == [LOOPBACK]


def test_without_warnings_there_is_no_such_xcom() -> None:
    assert run(key="a", endpoint="https://files.example.com").xcom("told") is None


def test_a_lifetime_over_the_limit_fails_or_is_clamped_with_a_warning() -> None:
    result = run(key="a", expires_in=timedelta(days=8))
    with pytest.raises(InvalidRequestError, match="lives at most 7 days"):
        raise result.errors["link"]
    result = run(key="a", expires_in=timedelta(days=8), clamp=True)
    assert "x-oss-expires=604800" in result.xcom("link")["url"]
    assert result.xcom("told")[0].startswith("The lifetime was shortened: a link of Alibaba OSS lives at most 7 days")
