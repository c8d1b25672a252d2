"""What is masked of links: as much as Airflow's masker can take in a short time."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from urllib.parse import quote

import pytest
from airflow.sdk._shared.secrets_masker import _secrets_masker, redact

from aksk_provider.hooks.links import mask_link, mask_links, mask_links_in
from aksk_provider.hooks.object_storage import ObjectStorageHook
from aksk_provider.signing import Credentials, PresignedURL
from tests.support import leaks
from tests.support.clouds import Cloud

Put = Callable[..., str]


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    """Mask nothing of what other tests masked; theirs is put back."""
    masker = _secrets_masker()
    patterns, replacer = masker.patterns, masker.replacer
    masker.reset_masker()
    yield
    masker.patterns, masker.replacer = patterns, replacer


@pytest.fixture
def hook(any_cloud: Cloud, in_environment: Put) -> ObjectStorageHook:
    return ObjectStorageHook(in_environment(any_cloud))


def made(hook: ObjectStorageHook, count: int) -> tuple[list[PresignedURL], Credentials]:
    return [hook.presign(f"masked/{n}") for n in range(count)], hook.store.config.credentials()


def test_of_a_link_nothing_is_shown(hook: ObjectStorageHook) -> None:
    (link,), credentials = made(hook, 1)
    token = credentials.token or "none"
    told = f"{link.url} | {quote(link.url, safe='')} | {leaks.signature(link.url)} | {token} | {quote(token, safe='')}"
    mask_link(link, credentials)
    shown = str(redact(told))
    assert shown.startswith("*** | *** | *** | ")
    assert [text for text in (token, quote(token, safe="")) if credentials.token and text in shown] == []
    assert redact(credentials.secret_key) == "***"


@pytest.mark.parametrize("count", [11, 100])
def test_of_many_links_what_is_secret_is_not_shown(count: int, hook: ObjectStorageHook) -> None:
    links, credentials = made(hook, count)
    mask_links(links, credentials)
    shown = str(redact(" ".join(link.url for link in links)))
    assert "masked/7?" in shown
    assert [link for link in links if leaks.signature(link.url) in shown] == []
    assert not credentials.token or quote(credentials.token, safe="") not in shown


def test_of_too_many_links_the_log_says_that_they_are_not_masked(
    hook: ObjectStorageHook, caplog: pytest.LogCaptureFixture
) -> None:
    links, credentials = made(hook, 101)
    with caplog.at_level(logging.WARNING):
        mask_links(links, credentials)
    assert "101 links are too many to mask" in caplog.text
    assert leaks.signature(links[0].url) not in caplog.text
    assert redact(credentials.token) == ("***" if credentials.token else None)


def test_links_are_found_inside_of_what_templates_give(hook: ObjectStorageHook) -> None:
    links, _ = made(hook, 4)
    urls = [link.url for link in links]
    told = [{"url": urls[0]}, (urls[1], 5, None), f"curl '{urls[2]}'", urls[3].replace("&", r"\u0026")]
    mask_links_in(told)
    shown = str(redact(" ".join([*urls, str(told)])))
    assert [url for url in urls if leaks.signature(url) in shown] == []
