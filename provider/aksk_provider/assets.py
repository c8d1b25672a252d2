"""Assets that are objects: ``bos://bucket/key``, ``oss://bucket/key``, ``cos://bucket/key``, the key percent-encoded.

Airflow drops what follows ``#``, sorts what follows ``?`` and strips slashes at the end of an asset's URI, so a key can
only be told from the URI when it is encoded. :func:`asset_uri` does it, :func:`place` undoes it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, quote, unquote, urlsplit

if TYPE_CHECKING:
    from airflow.sdk import Asset

SCHEMES = ("bos", "oss", "cos")


def asset_uri(vendor: str, bucket: str, key: str) -> str:
    """Return the URI of an object as an asset.

    :raises ValueError: another vendor, or no bucket
    """
    if vendor not in SCHEMES or not bucket:
        raise ValueError(f"an asset needs one of {', '.join(SCHEMES)} and a bucket, not {vendor!r} and {bucket!r}")
    encoded = quote(key, safe="/")
    bare = encoded.rstrip("/")
    return f"{vendor}://{bucket}/{bare}{'%2F' * (len(encoded) - len(bare))}"


def place(uri: str) -> tuple[str, str, str]:
    """Return vendor, bucket and key that the URI of an asset stands for."""
    parts = urlsplit(uri)
    return parts.scheme, parts.netloc, unquote(parts.path.removeprefix("/"))


def bos_asset(*, bucket: str, key: str, extra: dict[str, Any] | None = None) -> Asset:
    """Return the asset of an object in Baidu BOS."""
    return _asset("bos", bucket, key, extra)


def oss_asset(*, bucket: str, key: str, extra: dict[str, Any] | None = None) -> Asset:
    """Return the asset of an object in Alibaba OSS."""
    return _asset("oss", bucket, key, extra)


def cos_asset(*, bucket: str, key: str, extra: dict[str, Any] | None = None) -> Asset:
    """Return the asset of an object in Tencent COS."""
    return _asset("cos", bucket, key, extra)


def sanitize_uri(uri: SplitResult) -> SplitResult:
    """Return the one form of an asset's URI; Airflow calls it for each.

    :raises ValueError: no bucket, or a ``?`` that is not encoded
    """
    if not uri.netloc:
        raise ValueError(f"{uri.scheme}:// must be followed by a bucket")
    if uri.query:
        raise ValueError(f"write a '?' in the key of a {uri.scheme}:// asset as %3F, or use asset_uri()")
    segments = [quote(unquote(segment), safe="") for segment in uri.path.split("/")]
    return uri._replace(path="/".join(segments))


def convert_asset_to_openlineage(asset: Asset, lineage_context: Any) -> Any:  # noqa: ARG001 - OpenLineage's signature
    """Return the dataset of OpenLineage that an asset is."""
    from airflow.providers.common.compat.openlineage.facet import Dataset

    vendor, bucket, key = place(asset.uri)
    return Dataset(namespace=f"{vendor}://{bucket}", name=key or "/")


def emit(context: Any, outlets: Any, vendor: str, bucket: str, key: str, extra: dict[str, Any]) -> None:
    """Tell Airflow what a task wrote: to each ``AssetAlias`` among its outlets, and with the asset itself.

    :param context: the task's context
    :param outlets: the task's outlets
    """
    from airflow.sdk import Asset, AssetAlias

    asset = _asset(vendor, bucket, key, None)
    for outlet in outlets:
        if isinstance(outlet, AssetAlias):
            context["outlet_events"][outlet].add(asset, extra=extra)
        elif isinstance(outlet, Asset) and outlet.uri == asset.uri:
            context["outlet_events"][outlet].extra.update(extra)


def _asset(vendor: str, bucket: str, key: str, extra: dict[str, Any] | None) -> Asset:
    from airflow.sdk import Asset

    return Asset(uri=asset_uri(vendor, bucket, key), extra=extra or {})
