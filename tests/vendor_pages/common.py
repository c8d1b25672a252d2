"""The stores and keys of the vendors' pages under the names the pages use, and plain HTTP clients for their links."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from urllib.request import ProxyHandler, Request, build_opener

import pytest
import requests

from aksk_provider.emulator import Account, Emulator

if TYPE_CHECKING:
    from aksk_provider.hooks.object_storage import ObjectStorageHook
    from aksk_provider.signing import PresignedURL

ACCOUNTS = {
    "permanent": Account("page-ak", "page-sk"),
    "temporary": Account("page-tmp-ak", "page-tmp-sk", "page-token/+="),
}
BUCKETS = {"bos": "bucketname", "oss": "examplebucket", "cos": "examplebucket-1250000000"}
REGIONS = {"bos": "bj", "oss": "cn-hangzhou", "cos": "ap-guangzhou"}
ENDPOINTS = {
    "bos": "bj.bcebos.com",
    "oss": "oss-cn-hangzhou.aliyuncs.com",
    "cos": "cos.ap-guangzhou.myqcloud.com",
}
DOMAIN = "static.example.com"


class HookMaker(Protocol):
    """Makes hooks whose connection stands in the environment."""

    def __call__(
        self, vendor: str, credentials: str | None = ..., *, host: str = ..., password: str = ..., **extra: Any
    ) -> ObjectStorageHook:
        """Return a hook.

        :param credentials: ``permanent`` or ``temporary``; ``None`` leaves them to the environment
        :param host: endpoint, by default derived from the region
        :param password: another secret key than the right one
        :param extra: further extras
        """
        ...


def mismatch(answer: requests.Response) -> bool:
    """Tell whether the store refused a request because something that is signed is not as it was signed."""
    return answer.status_code in (400, 403) and "SignatureDoesNotMatch" in answer.text


def with_requests(link: PresignedURL, headers: Mapping[str, str], target: Path, emulator: Emulator) -> int:
    with requests.Session() as session:
        session.trust_env = False
        session.proxies = {"http": emulator.endpoint}
        with session.request(link.method, link.url, headers=dict(headers), stream=True, timeout=30) as answer:
            if answer.status_code == 200:
                with target.open("wb") as file:
                    for chunk in answer.iter_content(4096):
                        file.write(chunk)
            return answer.status_code


def with_urllib(link: PresignedURL, headers: Mapping[str, str], target: Path, emulator: Emulator) -> int:
    opener = build_opener(ProxyHandler({"http": emulator.endpoint}))
    with opener.open(Request(link.url, method=link.method, headers=dict(headers)), timeout=30) as answer:
        target.write_bytes(answer.read())
        return int(answer.status)


def with_curl(link: PresignedURL, headers: Mapping[str, str], target: Path, emulator: Emulator) -> int:
    if not shutil.which("curl"):
        pytest.skip("curl is not installed")
    command = ["curl", "--disable", "--silent", "--show-error", "--noproxy", "*", "--max-time", "30"]
    command += ["--connect-to", f"::{emulator.host}:{emulator.port}", "--output", str(target)]
    for name, value in headers.items():
        command += ["--header", f"{name}: {value}"]
    command += ["--write-out", "%{http_code}", link.url]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


CLIENTS: dict[str, Callable[[PresignedURL, Mapping[str, str], Path, Emulator], int]] = {
    "requests": with_requests,
    "urllib": with_urllib,
    "curl": with_curl,
}
