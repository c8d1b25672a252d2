"""The way of Baidu's two pages, with nothing of ours in it: sign ``host`` and ``x-bce-date``, put the signature into
the URL, and add the token of temporary keys to the headers afterwards.

The signature is the official SDK's, which is the algorithm that the pages refer to.
"""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path

import requests
from baidubce import utils
from baidubce.auth import bce_v1_signer
from baidubce.auth.bce_credentials import BceCredentials

from aksk_provider.emulator import Account

HOST = "bucketname.bj.bcebos.com"


def headers(date: str) -> dict[str, str]:
    return {"host": HOST, "x-bce-date": date}


def authorization(account: Account, method: str, path: str, now: datetime) -> str:
    """Sign what the pages sign, with the list of signed headers spelled out."""
    signed = headers(f"{now:%Y-%m-%dT%H:%M:%SZ}")
    made: bytes = bce_v1_signer.sign(
        BceCredentials(account.access_key, account.secret_key),
        method.encode(),
        utils.normalize_string(path, False),
        {name.encode(): value.encode() for name, value in signed.items()},
        {},
        int(now.timestamp()),
        1800,
        [name.encode() for name in sorted(signed)],
    )
    return made.decode()


def request(plain: requests.Session, account: Account, method: str, path: str, file: Path) -> int:
    """Download to a file or upload one, as the pages do, and return the status."""
    now = datetime.now(timezone.utc)
    sent = headers(f"{now:%Y-%m-%dT%H:%M:%SZ}")
    url = f"http://{HOST}{path}?authorization={authorization(account, method, path, now)}"
    if account.token is not None:
        sent["x-bce-security-token"] = account.token
    if method == "GET":
        answer = plain.get(url, headers=sent, timeout=30)
        file.write_bytes(answer.content)
    else:
        with file.open("rb") as stream:
            answer = plain.put(url, headers=sent, data=stream, timeout=30)
    return answer.status_code
