"""What Airflow reads about this provider, and that it reads it."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import airflow
import jsonschema
import pytest
from airflow.api_fastapi.core_api.services.ui.connections import HookMetaService

import aksk_provider
from aksk_provider.hooks import connection
from aksk_provider.hooks.object_storage import ObjectStorageHook
from aksk_provider.provider_info import get_provider_info
from tests.support.airflow_versions import ProvidersManagerTaskRuntime, needs
from tests.support.processes import python

(CONNECTION_TYPE,) = get_provider_info()["connection-types"]
AIRFLOW = Path(airflow.__file__).parent
made_of_metadata = needs(3, 2, "makes the connection form of the metadata alone")


@pytest.fixture(scope="module")
def form() -> dict[str, Any]:
    """The form as the UI gets it."""
    forms = {meta.connection_type: meta for meta in HookMetaService.hook_meta_data()}
    return forms["aksk"].model_dump()


def test_airflow_discovers_the_connection_type_and_its_hook() -> None:
    hook = ProvidersManagerTaskRuntime().hooks["aksk"]
    assert hook is not None
    assert hook.hook_class_name == "aksk_provider.hooks.object_storage.ObjectStorageHook"
    assert hook.package_name == "airflow-provider-aksk"
    assert hook.connection_id_attribute_name == ObjectStorageHook.conn_name_attr
    assert hook.hook_name == CONNECTION_TYPE["hook-name"] == ObjectStorageHook.hook_name
    assert hook.connection_type == ObjectStorageHook.conn_type
    assert hook.connection_testable is True


def test_the_metadata_follow_airflows_schemas() -> None:
    runtime = json.loads((AIRFLOW / "provider_info.schema.json").read_text())
    jsonschema.validate(get_provider_info(), runtime)
    full = json.loads((AIRFLOW / "provider.yaml.schema.json").read_text())
    jsonschema.validate(
        get_provider_info()["connection-types"],
        {**full["properties"]["connection-types"], "definitions": full.get("definitions", {})},
    )


def test_the_package_name_is_that_of_the_distribution() -> None:
    assert version(get_provider_info()["package-name"]) == aksk_provider.__version__


@made_of_metadata
def test_the_form_asks_for_the_cloud_first_and_only_the_cloud_is_required(form: dict[str, Any]) -> None:
    fields = form["extra_fields"]
    assert next(iter(fields)) == "vendor"
    types = {name: field["schema"]["type"] for name, field in fields.items()}
    assert [name for name, kind in types.items() if "null" not in kind] == ["vendor"]
    assert fields["vendor"]["schema"]["enum"] == ["bos", "oss", "cos"]


@made_of_metadata
def test_the_form_has_a_field_for_every_extra_the_hook_reads(form: dict[str, Any]) -> None:
    assert set(form["extra_fields"]) == connection._KNOWN


@made_of_metadata
def test_what_may_hold_a_secret_has_a_name_that_airflow_masks(form: dict[str, Any]) -> None:
    from airflow.sdk._shared.secrets_masker import should_hide_value_for_key

    assert form["extra_fields"]["security_token"]["schema"]["format"] == "password"
    assert [name for name in form["extra_fields"] if should_hide_value_for_key(name)] == ["security_token", "proxies"]


@made_of_metadata
def test_the_standard_fields_are_named_for_what_they_hold(form: dict[str, Any]) -> None:
    titles = {name: field["title"] for name, field in form["standard_fields"].items() if field}
    assert titles["login"].startswith("Access key")
    assert titles["password"].startswith("Secret key")
    assert titles["host"] == "Endpoint"
    assert titles["url_schema"] == "Default bucket"


@made_of_metadata
def test_the_form_shows_without_importing_the_hook() -> None:
    code = (
        "import sys; from airflow.api_fastapi.core_api.services.ui.connections import HookMetaService;"
        "assert any(m.connection_type == 'aksk' for m in HookMetaService.hook_meta_data());"
        "print([m for m in sys.modules if m.startswith('aksk_provider') and m != 'aksk_provider'])"
    )
    assert python("-W", "ignore", "-c", code).splitlines()[-1] == "['aksk_provider.provider_info']"


def test_airflow_providers_list_shows_it(run_cli: Callable[..., str]) -> None:
    listed = json.loads(run_cli("providers", "list", "--output", "json"))
    assert [p["version"] for p in listed if p["package_name"] == "airflow-provider-aksk"] == [aksk_provider.__version__]


def test_airflow_providers_hooks_shows_it(run_cli: Callable[..., str]) -> None:
    listed = json.loads(run_cli("providers", "hooks", "--output", "json"))
    (hook,) = [hook for hook in listed if hook["connection_type"] == "aksk"]
    assert hook["conn_id_attribute_name"] == "aksk_conn_id"


@pytest.mark.parametrize("module", ["hooks.object_storage", "operators", "sensors", "triggers.waiting"])
def test_importing_warns_of_nothing(module: str) -> None:
    code = f"import airflow.sdk, warnings; warnings.simplefilter('error'); import aksk_provider.{module}"
    # These two warn themselves, when they are first imported
    ahead = "import airflow.triggers.base, airflow.providers.common.compat.connection, airflow.configuration;"
    python("-W", "ignore", "-c", ahead + code)


def test_reading_the_metadata_imports_nothing_else() -> None:
    code = "import sys; before = set(sys.modules); import aksk_provider.provider_info; print(set(sys.modules) - before)"
    loaded = set(eval(python("-c", code)))
    assert {name.partition(".")[0] for name in loaded} <= {"aksk_provider", "__future__", *sys.stdlib_module_names}
