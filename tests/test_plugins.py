"""The template function: Airflow finds it by its entry point, and importing that costs nothing."""

from __future__ import annotations

import ast
import json
from collections.abc import Callable
from importlib.metadata import entry_points

from aksk_provider.plugins import AkskPlugin
from tests.support import processes


def test_airflow_lists_the_plugin_with_its_template_function(run_cli: Callable[..., str]) -> None:
    """Fails where the package was installed before it had the entry point: install it again."""
    assert [point.value for point in entry_points(group="airflow.plugins", name="aksk")] == [
        "aksk_provider.plugins:AkskPlugin"
    ]
    (told,) = (plugin for plugin in json.loads(run_cli("plugins", "--output", "json")) if plugin["name"] == "aksk")
    assert "url" in str(told["macros"])
    assert AkskPlugin.macros[0].__name__ == "url"


def test_importing_the_plugin_imports_nothing_of_the_store() -> None:
    code = "import sys, aksk_provider.plugins; print([n for n in sys.modules if n.startswith('aksk_provider.')])"
    loaded = ast.literal_eval(processes.python("-c", code))
    assert set(loaded) <= {"aksk_provider.plugins", "aksk_provider.provider_info"}
