"""The links of tasks, in the forms that the vendors' consoles show."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from aksk_provider.operators import DownloadObjectOperator, PresignURLOperator, UploadObjectOperator
from aksk_provider.operators.links import ConsoleLink, ObjectLink
from aksk_provider.provider_info import get_provider_info
from aksk_provider.storage import consoles
from tests.support.clouds import REGIONS, Cloud

Put = Callable[..., str]
NOWHERE: Any = SimpleNamespace()


def console(operator: Any) -> str:
    return ConsoleLink().get_link(operator, ti_key=NOWHERE)


def plain(operator: Any) -> str:
    return ObjectLink().get_link(operator, ti_key=NOWHERE)


def download(key: Any, **arguments: Any) -> DownloadObjectOperator:
    return DownloadObjectOperator(task_id="download", key=key, target="/nowhere", **arguments)


def test_addresses_are_those_the_consoles_show() -> None:
    """Each as seen in public: with another bucket, and the folders written here."""
    assert consoles.oss("cn-hangzhou", "b", "wechat-avatar/") == (
        "https://oss.console.aliyun.com/bucket/oss-cn-hangzhou/b/object?path=wechat-avatar%2F"
    )
    assert consoles.oss("cn-hangzhou", "b", "") == "https://oss.console.aliyun.com/bucket/oss-cn-hangzhou/b/object"
    assert consoles.oss(None, "b", "a/") == "https://oss.console.aliyun.com/bucket"
    assert consoles.cos("ap-shanghai", "b-1250000000", "mcms/download/app/") == (
        "https://console.cloud.tencent.com/cos/bucket"
        "?bucket=b-1250000000&region=ap-shanghai&path=%252Fmcms%252Fdownload%252Fapp%252F"
    )
    assert consoles.cos(None, "b-1250000000", "") == "https://console.cloud.tencent.com/cos/bucket?bucket=b-1250000000"
    assert consoles.bos("bj", "b", "a/") == "https://console.bce.baidu.com/bos/"


@pytest.mark.parametrize(
    ("key", "folder"),
    [
        ("报表/a b.csv", "报表/"),
        ("a.csv", ""),
        ("a/b/", "a/b/"),
        ("a/2026-*/x.csv", "a/"),
        (["a/b/1", "a/b/2"], "a/b/"),
        (["a/b1/x", "a/b2/x"], "a/"),
        (["x", "a/b"], ""),
    ],
)
def test_the_console_opens_at_the_folder_of_the_keys(
    cloud: Cloud, in_environment: Put, key: str | list[str], folder: str
) -> None:
    in_environment(cloud)
    vendor_console = getattr(consoles, cloud.vendor)
    expected = vendor_console(REGIONS[cloud.vendor], cloud.bucket, folder)
    assert console(download(key)) == expected
    uris = cloud.uri(key) if isinstance(key, str) else [cloud.uri(each) for each in key]
    assert console(download(uris)) == expected


def test_the_object_is_a_url_without_signature_at_the_public_endpoint(cloud: Cloud, in_environment: Put) -> None:
    in_environment(cloud)
    upload = UploadObjectOperator(task_id="upload", source="/nowhere", key="报表/a b.csv")
    assert plain(upload) == f"{cloud.emulator.endpoint}/{cloud.bucket}/%E6%8A%A5%E8%A1%A8/a%20b.csv"
    in_environment(cloud, extra={"public_endpoint": "https://files.example.com"})
    assert plain(upload) == "https://files.example.com/%E6%8A%A5%E8%A1%A8/a%20b.csv"
    assert plain(PresignURLOperator(task_id="recipe", key="a", emit="recipe")) == "https://files.example.com/a"
    assert plain(PresignURLOperator(task_id="put", key="a", method="PUT")) == "https://files.example.com/a"


@pytest.mark.parametrize("key", ["a/", "a/*.csv", "", ["a", "b"], []])
def test_what_is_no_single_object_has_no_link_to_one(oss: Cloud, in_environment: Put, key: str | list[str]) -> None:
    in_environment(oss)
    assert plain(download(key)) == ""


def test_what_cannot_be_told_is_an_empty_link(oss: Cloud, in_environment: Put) -> None:
    for operator in (
        download("a", aksk_conn_id="not_there"),
        download("bos://b/a"),
        download(["oss://b/a", "oss://c/a"]),
    ):
        in_environment(oss)
        assert (console(operator), plain(operator)) == ("", "")
    in_environment(oss, extra={"vendor": "s3"})
    assert (console(download("a")), plain(download("a"))) == ("", "")


def test_airflow_knows_the_links() -> None:
    from airflow.providers_manager import ProvidersManager

    ours = {name for name in ProvidersManager().extra_links_class_names if name.startswith("aksk_provider")}
    assert ours == set(get_provider_info()["extra-links"])
    for operator in (UploadObjectOperator, DownloadObjectOperator, PresignURLOperator):
        links = [f"{type(link).__module__}.{type(link).__name__}" for link in operator.operator_extra_links]
        assert set(links) == ours
