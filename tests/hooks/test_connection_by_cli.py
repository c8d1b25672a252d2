"""Connections made by ``airflow connections``, in each form, tested by it and used by the hook."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from urllib.parse import quote, urlencode

import pytest

from aksk_provider.hooks.object_storage import ObjectStorageHook
from tests.support.airflow_versions import needs
from tests.support.clouds import Cloud

Run = Callable[..., str]
# Airflow 3.3 warns of itself when the command line looks connection types up
pytestmark = pytest.mark.filterwarnings("ignore:ProvidersManager.hooks is deprecated")


def uri(cloud: Cloud) -> str:
    fields = cloud.fields()
    login, password, host, schema = (quote(fields[name], safe="") for name in ("login", "password", "host", "schema"))
    return f"aksk://{login}:{password}@{host}/{schema}?{urlencode(json.loads(fields['extra']))}"


def as_uri(cloud: Cloud) -> list[str]:
    return ["--conn-uri", uri(cloud)]


def as_json(cloud: Cloud) -> list[str]:
    return ["--conn-json", cloud.json()]


def as_fields(cloud: Cloud) -> list[str]:
    names = {"host": "host", "login": "login", "password": "password", "schema": "schema", "extra": "extra"}
    fields = cloud.fields()
    return ["--conn-type", "aksk", *(part for name in names for part in (f"--conn-{name}", fields[name]))]


@pytest.fixture(params=[as_uri, as_json, as_fields])
def added(request: pytest.FixtureRequest, any_cloud: Cloud, run_cli: Run) -> Iterator[str]:
    """The id of a connection that the command line added."""
    run_cli("connections", "add", "added", *request.param(any_cloud))
    yield "added"
    run_cli("connections", "delete", "added")


def test_a_connection_added_in_any_form_passes_airflows_test_and_works(
    added: str, any_cloud: Cloud, run_cli: Run
) -> None:
    printed = run_cli("connections", "test", added)
    assert "Connection success!" in printed
    hook = ObjectStorageHook(added)
    hook.upload(b"by cli", "cli/key")
    assert hook.head(any_cloud.uri("cli/key")).size == 6


def test_the_connection_is_found_again_with_its_fields(added: str, any_cloud: Cloud, run_cli: Run) -> None:
    (found,) = json.loads(run_cli("connections", "get", added, "--output", "json"))
    assert (found["conn_type"], found["login"], found["schema"]) == (
        "aksk",
        any_cloud.account.access_key,
        any_cloud.bucket,
    )
    assert found["extra_dejson"]["vendor"] == any_cloud.vendor


@needs(3, 2, "has an exit code for a connection that fails its test")
def test_a_connection_that_fails_its_test_says_why(oss: Cloud, run_cli: Run) -> None:
    run_cli("connections", "add", "wrong", "--conn-json", oss.json(password="wrong-secret"))
    try:
        with pytest.raises(SystemExit):
            run_cli("connections", "test", "wrong")
    finally:
        run_cli("connections", "delete", "wrong")


def test_an_environment_variable_in_uri_form_works(any_cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_FROM_ENVIRONMENT", uri(any_cloud))
    assert ObjectStorageHook("from_environment").test_connection()[0] is True


def test_an_environment_variable_in_json_form_works(any_cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_FROM_ENVIRONMENT", any_cloud.json())
    assert ObjectStorageHook("from_environment").test_connection()[0] is True
