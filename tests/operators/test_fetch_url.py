"""FetchURLOperator in real DAG runs, for each cloud: links, results and recipes, both ways, masked before they rest."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from airflow.sdk import DAG, task

from aksk_provider.errors import InvalidRequestError, PermissionDeniedError
from aksk_provider.hooks.object_storage import ObjectStorageHook
from aksk_provider.operators import FetchURLOperator, PresignURLOperator
from aksk_provider.storage.presigning.recipes import Recipe
from tests.support import dag_runs, leaks
from tests.support.clouds import Cloud

Put = Callable[..., str]
BODY = b"a,b\n1,2\n"


@pytest.fixture(autouse=True)
def connection(cloud: Cloud, in_database: Put) -> Iterator[None]:
    in_database(cloud)
    with cloud.store() as store:
        store.put("fetch/key", BODY)
        yield
        store.delete_many([info.key for info in store.list("fetch/")])


def run(dag: DAG) -> dag_runs.RunResult:
    result = dag_runs.run(dag)
    for error in result.errors.values():
        raise error
    assert result.state == "success", result.states()
    return result


def alone(**arguments: Any) -> Any:
    """Run the operator as the one task of a DAG; return its XCom or raise its error."""
    with DAG("one_fetch", schedule=None) as dag:
        FetchURLOperator(task_id="one", **arguments)
    return run(dag).xcom("one")


def recipe(cloud: Cloud, key: str = "fetch/key", **fields: Any) -> Recipe:
    return Recipe(cloud.vendor, cloud.bucket, key, "aksk_default", **fields)


@pytest.mark.parametrize("emit", ["url", "recipe"])
def test_a_file_goes_up_and_comes_down_by_what_the_presign_operator_made(
    emit: Any, cloud: Cloud, tmp_path: Path
) -> None:
    (tmp_path / "source").write_bytes(BODY)
    with DAG("there_and_back", schedule=None) as dag:
        put = PresignURLOperator(
            task_id="put", key="fetch/new", method="PUT", headers={"Content-Type": "text/x-own"}, emit=emit
        )
        get = PresignURLOperator(task_id="get", key="fetch/new", emit=emit, expires_in=60)
        up = FetchURLOperator(task_id="up", url=put.output, source=str(tmp_path / "source"))
        up >> FetchURLOperator(task_id="down", url=get.output, target=str(tmp_path / "made" / "target"))
    result = run(dag)
    with cloud.store() as store:
        info = store.head("fetch/new")
    assert info.content_type == "text/x-own"
    assert (tmp_path / "made" / "target").read_bytes() == BODY
    assert set(result.xcom("up")) == {"size", "etag", "crc64"}
    assert result.xcom("down") == {
        "path": str(tmp_path / "made" / "target"), "size": 8, "etag": info.etag, "crc64": info.crc64,
    }  # fmt: skip


@pytest.mark.parametrize("as_text", [json.dumps, repr, lambda value: value], ids=["json", "repr", "dict"])
def test_a_recipe_may_have_become_text(as_text: Callable[[Any], Any], cloud: Cloud, tmp_path: Path) -> None:
    alone(url=as_text(recipe(cloud).to_dict()), target=str(tmp_path / "file"))
    assert (tmp_path / "file").read_bytes() == BODY


def test_a_list_of_recipes_is_fetched_in_mapped_tasks(cloud: Cloud, tmp_path: Path) -> None:
    with DAG("mapped", schedule=None) as dag:
        links = PresignURLOperator(task_id="links", key=["fetch/key", "fetch/key"], emit="recipe")
        FetchURLOperator.partial(task_id="down", target=str(tmp_path) + "/{{ ti.map_index }}").expand(url=links.output)
    result = run(dag)
    assert [recipe["key"] for recipe in result.xcom("links")] == ["fetch/key"] * 2
    assert [(tmp_path / name).read_bytes() for name in "01"] == [BODY, BODY]


def test_the_hook_signs_a_recipe(cloud: Cloud, in_environment: Put, tmp_path: Path) -> None:
    in_environment(cloud)
    link = ObjectStorageHook.sign_recipe(recipe(cloud, lifetime=60).to_dict())
    assert link.method == "GET"
    alone(url=link.url, target=str(tmp_path / "file"))
    assert (tmp_path / "file").read_bytes() == BODY


def test_a_recipe_of_another_cloud_is_refused(cloud: Cloud, tmp_path: Path) -> None:
    other = "oss" if cloud.vendor == "bos" else "bos"
    wrong = Recipe(other, "examplebucket", "key", "aksk_default")
    with pytest.raises(InvalidRequestError, match=f"recipe: vendor is {other}, and connection aksk_default is for"):
        alone(url=wrong.to_dict(), target=str(tmp_path / "file"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "give a target to download to, or a source"),
        ({"target": "t", "source": "s"}, "one of them"),
        ({"source": "s"}, "the link is for GET, and a source is uploaded with PUT"),
        ({"target": "t", "url": "{not json"}, "begins as a dictionary and is none"),
        ({"target": "t", "url": {"uri": "oss://b/k"}}, "url must be a URL, a result with a url, or a recipe, not dict"),
        ({"target": "t", "url": {"aksk_recipe": 1, "vendor": "oss"}}, "recipe: bucket is missing"),
    ],
)
def test_what_does_not_fit_is_refused(arguments: dict[str, Any], message: str, cloud: Cloud) -> None:
    with pytest.raises(InvalidRequestError, match=message):
        alone(**{"url": recipe(cloud).to_dict(), **arguments})


def test_a_refused_link_raises_with_the_vendors_code_before_any_file_is_made(cloud: Cloud, tmp_path: Path) -> None:
    with cloud.store() as store:
        url = store.presign("fetch/key").url.replace("fetch/key", "fetch/other")
    with pytest.raises(PermissionDeniedError, match=r"SignatureDoesNotMatch.*request id") as caught:
        alone(url=url, target=str(tmp_path / "folder" / "file"))
    assert list(tmp_path.iterdir()) == []
    assert "?" not in str(caught.value)


def test_links_of_all_shapes_are_masked_before_rendered_templates_are_stored(
    cloud: Cloud, home: Path, tmp_path: Path
) -> None:
    key = f"fetch/{secrets.token_hex(8)}"
    with cloud.store() as store:
        store.put(key, BODY)

    @task
    def make(shape: str) -> Any:
        with cloud.store() as own:
            url = own.presign(key).url
        return {"text": url, "result": {"url": url, "method": "GET", "signed_headers": {}}}[shape]

    with DAG("shapes", schedule=None) as dag:
        FetchURLOperator(task_id="text", url=make("text"), target=str(tmp_path / "1"))
        FetchURLOperator(task_id="result", url=make("result"), target=str(tmp_path / "2"))
        FetchURLOperator(task_id="pulled", url="{{ ti.xcom_pull('make') }}", target=str(tmp_path / "3"))
        FetchURLOperator(task_id="dumped", url="{{ ti.xcom_pull('make__1') | tojson }}", target=str(tmp_path / "4"))
        FetchURLOperator.partial(task_id="mapped", target=str(tmp_path / "5")).expand(url=[make("text")])
        dag.set_dependency("make", "pulled")
        dag.set_dependency("make__1", "dumped")
    result = run(dag)
    assert [(tmp_path / name).read_bytes() for name in "12345"] == [BODY] * 5
    urls = [result.xcom("make"), result.xcom("make__1")["url"], result.xcom("make__2")]
    hidden = [text for url in urls for text in (url, quote(url, safe=""), leaks.signature(url))]
    assert leaks.tables_with(home / "airflow.db", hidden) == {"xcom"}
    assert leaks.files_with(home, hidden) == set()


def test_the_template_function_is_offered_and_masks_what_it_returns(cloud: Cloud, tmp_path: Path, home: Path) -> None:
    with DAG("macro", schedule=None, params={"recipe": recipe(cloud).to_dict()}) as dag:
        FetchURLOperator(
            task_id="one",
            url="{{ macros.aksk.url(params.recipe) }}",
            target=str(tmp_path / "file"),
        )
    run(dag)
    assert (tmp_path / "file").read_bytes() == BODY


def test_long_lists_of_links_are_masked_by_what_is_secret_in_them(cloud: Cloud) -> None:
    """Airflow's masker takes minutes over hundreds of whole links."""
    from airflow.sdk._shared.secrets_masker import redact

    with DAG("lists", schedule=None) as dag:
        PresignURLOperator(task_id="some", key=[f"fetch/{n}" for n in range(30)])
    urls = [link["url"] for link in run(dag).xcom("some")]
    shown = str(redact(" ".join(urls)))
    assert "fetch/7" in shown
    assert [url for url in urls if leaks.signature(url) in shown] == []
