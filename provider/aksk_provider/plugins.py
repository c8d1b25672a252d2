"""What templates can use: Airflow finds it by the entry point ``airflow.plugins`` and imports it everywhere."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from airflow.plugins_manager import AirflowPlugin

if TYPE_CHECKING:
    from aksk_provider.storage.presigning.recipes import Recipe


def url(recipe: Recipe | Mapping[str, Any]) -> str:
    """Sign a recipe and return the URL: ``{{ macros.aksk.url(ti.xcom_pull("link")) }}``.

    The URL, its signature and its token are masked before they are returned, so that the rendered template, which rests
    in the metadata database, and the task's log show ``***``.

    :param recipe: what ``PresignURLOperator(emit="recipe")`` returned
    """
    from aksk_provider.hooks.object_storage import ObjectStorageHook

    return ObjectStorageHook.sign_recipe(recipe).url


class AkskPlugin(AirflowPlugin):
    """Offers the functions above in templates as ``macros.aksk``."""

    name = "aksk"
    macros = [url]  # noqa: RUF012 - as Airflow declares it
