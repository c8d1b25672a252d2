"""Mapped tasks, TaskFlow, and results handed from task to task, as real DAG runs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests
from airflow.sdk import DAG, task

from aksk_provider.hooks.object_storage import ObjectStorageHook
from aksk_provider.operators import DownloadObjectOperator, PresignURLOperator, UploadObjectOperator
from aksk_provider.sensors import ObjectKeySensor
from tests.support import dag_runs
from tests.support.clouds import Cloud

Put = Callable[..., str]


@pytest.fixture(autouse=True)
def connection(oss: Cloud, in_database: Put) -> None:
    in_database(oss)


def run(dag: DAG) -> dag_runs.RunResult:
    result = dag_runs.run(dag)
    assert result.state == "success", result.errors or result.states()
    return result


def files(folder: Path, *names: str) -> list[str]:
    for name in names:
        (folder / name).write_text(name)
    return [str(folder / name) for name in names]


def test_expand_maps_over_a_list(oss: Cloud, tmp_path: Path) -> None:
    sources = files(tmp_path, "a 1", "b+2", "年")
    with DAG("mapped", schedule=None) as dag:
        UploadObjectOperator.partial(task_id="up", key="mapped/{{ task.source.rpartition('/')[2] }}").expand(
            source=sources
        )
    result = run(dag)
    assert [result.xcom("up", index)["key"] for index in range(3)] == ["mapped/a 1", "mapped/b+2", "mapped/年"]


def test_expand_kwargs_maps_over_dictionaries_of_another_task(tmp_path: Path) -> None:
    first, second = files(tmp_path, "first", "second")
    with DAG("mapped", schedule=None) as dag:

        @task
        def pairs() -> list[dict[str, Any]]:
            return [
                {"source": first, "key": "mapped/x", "metadata": {"n": "1"}},
                {"source": second, "key": "mapped/y", "metadata": {"n": "2"}, "content_type": "text/x-second"},
            ]

        UploadObjectOperator.partial(task_id="up", overwrite=True).expand_kwargs(pairs())
        sense = ObjectKeySensor.partial(task_id="sense", timeout=1).expand(key=["mapped/x", ["mapped/x", "mapped/y"]])
        dag.get_task("up") >> sense
    result = run(dag)
    assert [len(result.xcom("sense", index)) for index in range(2)] == [1, 2]
    assert result.xcom("sense", 1)[1]["metadata"] == {"n": "2"}
    assert result.xcom("sense", 1)[1]["content_type"] == "text/x-second"


def test_results_flow_from_upload_through_mapping_to_download(tmp_path: Path) -> None:
    sources = files(tmp_path, "one", "two")
    with DAG("mapped", schedule=None) as dag:
        up = UploadObjectOperator.partial(
            task_id="up", key="flow/{{ ti.map_index }}/{{ task.source.rpartition('/')[2] }}"
        ).expand(source=sources)
        uris = up.output.map(lambda info: info["uri"])
        link = PresignURLOperator.partial(task_id="link", expires_in=60).expand(key=uris)
        down = DownloadObjectOperator.partial(task_id="down", target=f"{tmp_path}/down/{{{{ ti.map_index }}}}").expand(
            key=uris
        )

        @task
        def fetch(found: dict[str, Any]) -> str:
            return requests.get(found["url"], headers=found["signed_headers"], timeout=10).text

        @task
        def paths(results: list[dict[str, Any]]) -> list[str]:
            return [Path(result["path"]).read_text() for result in results]

        fetch.expand(found=link.output)
        paths(down.output)
    result = run(dag)
    assert [result.xcom("fetch", index) for index in range(2)] == ["one", "two"]
    assert result.xcom("paths") == ["one", "two"]


def test_a_list_of_keys_may_come_from_another_task() -> None:
    with DAG("listed", schedule=None) as dag:

        @task
        def keys() -> list[str]:
            return ["a", "b", "c"]

        PresignURLOperator(task_id="links", key=keys())
    links = run(dag).xcom("links")
    assert [link["uri"].rpartition("/")[2] for link in links] == ["a", "b", "c"]


def test_an_upload_is_named_by_what_another_task_returned(oss: Cloud, tmp_path: Path) -> None:
    (source,) = files(tmp_path, "report")
    with DAG("listed", schedule=None) as dag:

        @task
        def make() -> str:
            return source

        up = UploadObjectOperator(task_id="up", source=make(), key="flow/report")
        wait = ObjectKeySensor(task_id="wait", key="{{ ti.xcom_pull('up')['uri'] }}", timeout=1)
        up >> wait
    assert run(dag).xcom("wait")[0]["uri"] == oss.uri("flow/report")


def test_taskflow_uses_the_hook_and_may_return_its_results_as_dictionaries(oss: Cloud) -> None:
    with DAG("taskflow", schedule=None) as dag:

        @task
        def write() -> dict[str, Any]:
            return ObjectStorageHook().upload(b"content", "taskflow/key").as_dict()

        @task
        def read(info: dict[str, Any]) -> str:
            with ObjectStorageHook("aksk_default").open(info["uri"]) as stream:
                return stream.read().decode()

        read(write())
    result = run(dag)
    assert result.xcom("read") == "content"
    assert result.xcom("write")["uri"] == oss.uri("taskflow/key")


def test_one_failing_instance_of_a_mapped_task_fails_alone(oss: Cloud, tmp_path: Path) -> None:
    with DAG("mapped", schedule=None) as dag:
        DownloadObjectOperator.partial(task_id="down", target=f"{tmp_path}/{{{{ ti.map_index }}}}").expand(
            key=["no/such/key", "flow/report"]
        )
    with oss.store() as store:
        store.put("flow/report", b"x")
    result = dag_runs.run(dag)
    assert [instance.state for instance in result.tasks] == ["failed", "success"]
    assert "NoSuchKey" in str(result.errors["down"])
