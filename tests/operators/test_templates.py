"""Every text a user can give is a template, also inside dictionaries and lists, also in a mapped task."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests
from airflow.sdk import DAG, BaseOperator, Param

from aksk_provider.operators import (
    AbortIncompleteUploadsOperator,
    DownloadObjectOperator,
    FetchURLOperator,
    PresignManifestOperator,
    PresignURLOperator,
    UploadObjectOperator,
    UploadTicketOperator,
)
from aksk_provider.sensors import ObjectKeySensor, PrefixSensor, PrefixUnchangedSensor
from tests.support import dag_runs
from tests.support.clouds import Cloud

Put = Callable[..., str]
CLASSES = (
    AbortIncompleteUploadsOperator,
    DownloadObjectOperator,
    FetchURLOperator,
    ObjectKeySensor,
    PresignManifestOperator,
    PrefixSensor,
    PrefixUnchangedSensor,
    PresignURLOperator,
    UploadObjectOperator,
    UploadTicketOperator,
)


@pytest.fixture
def conn_id(oss: Cloud, in_database: Put) -> str:
    return in_database(oss, "templated")


def run(dag: DAG, **conf: Any) -> dag_runs.RunResult:
    result = dag_runs.run(dag, conf)
    assert result.state == "success", result.errors or result.states()
    return result


@pytest.mark.parametrize("operator", CLASSES)
def test_every_argument_that_may_be_text_is_a_template_field(operator: type[BaseOperator]) -> None:
    texts = {
        "query_params" if name == "params" else name
        for own in operator.__mro__
        if own.__module__.startswith("aksk_provider")
        for name, parameter in inspect.signature(own.__init__).parameters.items()
        if "str" in str(parameter.annotation)
    }
    assert texts == set(operator.template_fields)
    made = operator(task_id="one", **dict.fromkeys(required(operator), "x"))
    assert all(hasattr(made, field) for field in operator.template_fields)


def required(operator: type[BaseOperator]) -> list[str]:
    parameters = inspect.signature(operator.__init__).parameters.values()
    return [p.name for p in parameters if p.kind is p.KEYWORD_ONLY and p.default is p.empty]


def test_upload_renders_every_text(oss: Cloud, conn_id: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    names = ("source", "key", "bucket", "content_type", "aksk_conn_id")
    with DAG("templated", schedule=None, params=dict.fromkeys(names, "")) as dag:
        UploadObjectOperator(
            task_id="one",
            metadata={"run": "{{ run_id }}"},
            headers={"Cache-Control": "max-age={{ 6 * 7 }}"},
            **{name: f"{{{{ params.{name} }}}}" for name in names},
        )
    given = dict(zip(names, (str(tmp_path / "file"), "templates/key", oss.bucket, "text/x-own", conn_id), strict=True))
    result = run(dag, **given)
    with oss.store() as store:
        info = store.head("templates/key")
        answer = store.get("templates/key")
    assert (info.content_type, info.metadata) == ("text/x-own", {"run": result.run_id})
    assert answer.headers["Cache-Control"] == "max-age=42"


def test_download_renders_every_text(oss: Cloud, conn_id: str, tmp_path: Path) -> None:
    with oss.store() as store:
        first = store.put("templates/download", b"first", oss.versioned_bucket)
        store.put("templates/download", b"second", oss.versioned_bucket)
    names = ("key", "target", "bucket", "version_id", "aksk_conn_id")
    with DAG("templated", schedule=None, params=dict.fromkeys(names, "")) as dag:
        DownloadObjectOperator(task_id="one", **{name: f"{{{{ params.{name} }}}}" for name in names})
    target = str(tmp_path / "file")
    values = ("templates/download", target, oss.versioned_bucket, first.version_id, conn_id)
    run(dag, **dict(zip(names, values, strict=True)))
    assert Path(target).read_bytes() == b"first"


def test_presign_renders_every_text(oss: Cloud, conn_id: str) -> None:
    with oss.store() as store:
        first = store.put("templates/presign", b"first", oss.versioned_bucket)
        store.put("templates/presign", b"second", oss.versioned_bucket)
    names = ("key", "bucket", "method", "version_id", "aksk_conn_id")
    with DAG("templated", schedule=None, params=dict.fromkeys(names, "")) as dag:
        PresignURLOperator(
            task_id="one",
            expires_in="{{ 60 * 2 }}",
            expires_at="{{ dag_run.run_after + macros.timedelta(hours=1) }}",
            headers={"x-oss-meta-run": "{{ run_id }}"},
            params={"response-content-disposition": "attachment; filename={{ ds_nodash }}.csv"},
            **{name: f"{{{{ params.{name} }}}}" for name in names},
        )
    values = ("templates/presign", oss.versioned_bucket, "GET", first.version_id, conn_id)
    result = run(dag, **dict(zip(names, values, strict=True)))
    link = result.xcom("one")
    answer = requests.get(link["url"], headers=link["signed_headers"], timeout=10)
    assert answer.content == b"first"
    assert answer.headers["Content-Disposition"].startswith("attachment; filename=20")
    assert link["signed_headers"] == {"x-oss-meta-run": result.run_id}
    assert link["expires_at"] > result.run_id.partition("__")[2][:17]


def test_expires_in_may_be_a_template_of_seconds(conn_id: str) -> None:
    with DAG("templated", schedule=None) as dag:
        PresignURLOperator(task_id="one", key="key", expires_in="{{ 60 * 2 }}", aksk_conn_id=conn_id)
    assert "x-oss-expires=120" in run(dag).xcom("one")["url"]


def test_native_rendering_may_give_lists_numbers_and_times(conn_id: str) -> None:
    with DAG("templated", schedule=None, render_template_as_native_obj=True, params={"keys": ["a", "b"]}) as dag:
        PresignURLOperator(task_id="keys", key="{{ params['keys'] }}", expires_in="{{ 120 }}", aksk_conn_id=conn_id)
        PresignURLOperator(
            task_id="time", key="k", expires_at="{{ data_interval_end.add(hours=1) }}", aksk_conn_id=conn_id
        )
    result = run(dag)
    assert [link["uri"].rpartition("/")[2] for link in result.xcom("keys")] == ["a", "b"]
    assert result.xcom("time")["expires_at"]


def test_the_sensor_renders_keys_bucket_and_connection(oss: Cloud, conn_id: str) -> None:
    with oss.store() as store:
        store.put("templates/sensed", b"x")
    with DAG("templated", schedule=None, params={"name": "sensed", "bucket": oss.bucket, "conn_id": conn_id}) as dag:
        ObjectKeySensor(
            task_id="one",
            key=["templates/{{ params.name }}", "templates/{{ params.name[:3] }}*"],
            bucket="{{ params.bucket }}",
            aksk_conn_id="{{ params.conn_id }}",
            timeout=1,
        )
    assert [info["key"] for info in run(dag).xcom("one")] == ["templates/sensed"] * 2


def query_names(url: str) -> set[str]:
    return {part.partition("=")[0] for part in url.partition("?")[2].split("&")}


@pytest.mark.parametrize("params", [None, {"response-cache-control": "no-store"}])
def test_the_dags_params_are_not_signed(params: dict[str, str] | None, conn_id: str) -> None:
    with DAG("templated", schedule=None, params={"day": "monday", "needed": Param(type="string")}) as dag:
        PresignURLOperator(task_id="one", key="{{ params.day }}", params=params, aksk_conn_id=conn_id)
        PresignURLOperator.partial(task_id="many", params=params, aksk_conn_id=conn_id).expand(key=["a", "b"])
    result = run(dag, needed="given")
    links = [result.xcom("one"), result.xcom("many", 0), result.xcom("many", 1)]
    assert links[0]["uri"].endswith("/monday")
    for link in links:
        assert {"response-cache-control"} & query_names(link["url"]) == set(params or {})
        assert {"day", "needed"}.isdisjoint(query_names(link["url"]))


def test_default_args_give_all_tasks_their_connection(oss: Cloud, conn_id: str) -> None:
    with DAG("templated", schedule=None, default_args={"aksk_conn_id": conn_id, "bucket": oss.bucket}) as dag:
        PresignURLOperator(task_id="one", key="a")
        PresignURLOperator.partial(task_id="many").expand(key=["a", "b"])
    assert run(dag).xcom("many", 1)["uri"] == oss.uri("b")
