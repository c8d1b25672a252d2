"""Connections made through the REST API, as the UI makes them; its answers never show a secret."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from aksk_provider.hooks.object_storage import ObjectStorageHook
from tests.support.airflow_versions import needs
from tests.support.clouds import Cloud

if TYPE_CHECKING:
    from starlette.testclient import TestClient

Put = Callable[..., str]
PATH = "/api/v2/connections"
# Airflow 3.3 warns of itself when it makes a hook to test
pytestmark = pytest.mark.filterwarnings("ignore:ProvidersManager.hooks is deprecated")


@pytest.fixture(autouse=True)
def server_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Say what ``airflow api-server`` says, so that connections are looked up in the database."""
    monkeypatch.setenv("_AIRFLOW_PROCESS_CONTEXT", "server")


@pytest.fixture(scope="module")
def api(database: None) -> TestClient:
    from airflow.api_fastapi.app import create_app
    from starlette.testclient import TestClient

    client = TestClient(create_app("core"))
    token = client.get("/auth/token").json()["access_token"]
    client.headers["Authorization"] = f"Bearer {token}"
    return client


def body(cloud: Cloud, **changes: Any) -> dict[str, Any]:
    return {"connection_id": "by_api", "conn_type": "aksk", **cloud.fields(**changes)}


@pytest.fixture
def created(api: TestClient, any_cloud: Cloud) -> Iterator[str]:
    """The answer to the creation of a connection."""
    answer = api.post(PATH, json=body(any_cloud))
    assert answer.status_code == 201, answer.text
    yield answer.text
    api.delete(f"{PATH}/by_api")


def secrets(cloud: Cloud) -> list[str]:
    account = cloud.account
    return [account.secret_key, *([account.token] if account.token else [])]


def assert_masked(text: str, cloud: Cloud) -> None:
    shown = json.loads(text)
    assert shown["password"] == "***"
    assert json.loads(shown["extra"]).get("security_token") == ("***" if cloud.temporary else None)
    assert [secret for secret in secrets(cloud) if secret in text] == []


def test_creating_reading_and_listing_never_show_a_secret(api: TestClient, created: str, any_cloud: Cloud) -> None:
    assert_masked(created, any_cloud)
    assert_masked(api.get(f"{PATH}/by_api").text, any_cloud)
    listed = api.get(PATH).text
    assert "by_api" in listed
    assert [secret for secret in secrets(any_cloud) if secret in listed] == []


def test_a_patch_that_sends_masks_back_keeps_the_secrets(api: TestClient, created: str, any_cloud: Cloud) -> None:
    shown = json.loads(created)
    changed = {"connection_id": "by_api", "conn_type": "aksk", "extra": shown["extra"], "password": shown["password"]}
    changed |= {name: shown[name] for name in ("host", "login", "schema")} | {"description": "changed"}
    answer = api.patch(f"{PATH}/by_api", json=changed)
    assert (answer.status_code, answer.json()["description"]) == (200, "changed")
    assert_masked(answer.text, any_cloud)
    assert ObjectStorageHook("by_api").test_connection()[0] is True


def test_the_hook_uses_what_the_form_saved(created: str) -> None:
    assert ObjectStorageHook("by_api").test_connection()[0] is True


def test_the_test_button_tells_success_and_failure(api: TestClient, any_cloud: Cloud) -> None:
    answer = api.post(f"{PATH}/test", json=body(any_cloud, connection_id="not_saved")).json()
    assert answer["status"] is True, answer["message"]
    assert any_cloud.bucket in answer["message"]
    answer = api.post(f"{PATH}/test", json=body(any_cloud, connection_id="not_saved", password="wrong-secret")).json()
    assert answer["status"] is False
    assert "SignatureDoesNotMatch" in answer["message"]
    assert "wrong-secret" not in answer["message"]


def test_the_test_button_reuses_the_secrets_that_are_saved(api: TestClient, created: str, any_cloud: Cloud) -> None:
    shown = json.loads(created)
    sent = {
        name: shown[name] for name in ("connection_id", "conn_type", "host", "login", "schema", "password", "extra")
    }
    assert api.post(f"{PATH}/test", json=sent).json()["status"] is True


@needs(3, 2, "makes the connection form of the metadata alone")
def test_the_ui_gets_the_form(api: TestClient) -> None:
    forms = {form["connection_type"]: form for form in api.get("/ui/connections/hook_meta").json()}
    assert forms["aksk"]["hook_name"] == "Object Storage (BOS / OSS / COS)"
    assert forms["aksk"]["extra_fields"]["vendor"]["schema"]["enum"] == ["bos", "oss", "cos"]
