"""Addresses in the vendors' web consoles.

No vendor documents them. Those of OSS and COS are as the consoles themselves show them in the browser, written down in
many public repositories; of BOS only the start page is known well enough (docs/decisions/0017).
"""

from __future__ import annotations

from urllib.parse import quote, urlencode


def bos(_region: str | None, _bucket: str, _folder: str) -> str:
    """Return the start page; the address of a bucket's page is not known."""
    return "https://console.bce.baidu.com/bos/"


def oss(region: str | None, bucket: str, folder: str) -> str:
    """Return the list of a folder; without a region, the list of buckets.

    :param folder: start of a key, empty or with a slash at its end
    """
    if region is None:
        return "https://oss.console.aliyun.com/bucket"
    path = f"?{urlencode({'path': folder}, quote_via=quote, safe='')}" if folder else ""
    return f"https://oss.console.aliyun.com/bucket/oss-{region}/{bucket}/object{path}"


def cos(region: str | None, bucket: str, folder: str) -> str:
    """Return the list of a folder.

    :param folder: start of a key, empty or with a slash at its end
    """
    query = {"bucket": bucket, **({"region": region} if region else {})}
    if folder:
        # The console encodes the path twice
        query["path"] = quote(f"/{folder}", safe="")
    return f"https://console.cloud.tencent.com/cos/bucket?{urlencode(query, quote_via=quote, safe='')}"
