"""Objects as assets: every key survives Airflow's cleaning of URIs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from airflow.models.asset import AssetEvent
from airflow.sdk import DAG, Asset, AssetAlias
from airflow.utils.session import create_session
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from aksk_provider import assets
from aksk_provider.operators import UploadObjectOperator
from tests.support import dag_runs
from tests.support.clouds import Cloud

Put = Callable[..., str]
KEYS = (
    "a.csv",
    "a#b.csv",
    "a?b=1&a=2.csv",
    "a b+c%20.csv",
    "年/月.csv",
    "folder/",
    "folder//",
    "/lead",
    "100%",
)


@pytest.mark.parametrize("vendor", assets.SCHEMES)
@pytest.mark.parametrize("key", KEYS)
def test_a_key_survives_airflows_cleaning(vendor: str, key: str) -> None:
    made = getattr(assets, f"{vendor}_asset")(bucket="bucket", key=key, extra={"a": 1})
    assert assets.place(made.uri) == (vendor, "bucket", key)
    assert Asset(made.uri).uri == made.uri, "cleaning it again changes nothing"
    assert made.extra == {"a": 1}


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), min_size=1, max_size=40))
def test_any_key_survives(key: str) -> None:
    assert assets.place(Asset(assets.asset_uri("oss", "bucket", key)).uri) == ("oss", "bucket", key)


def test_a_uri_written_by_hand_gets_its_one_form_or_is_refused() -> None:
    assert Asset("oss://bucket/a b/年.csv").uri == assets.asset_uri("oss", "bucket", "a b/年.csv")
    with pytest.raises(ValueError, match="%3F"):
        Asset("oss://bucket/a?b=1")
    with pytest.raises(ValueError, match="bucket"):
        Asset("oss:///a")
    with pytest.raises(ValueError, match="bucket"):
        assets.asset_uri("s3", "bucket", "a")


def test_openlineage_gets_bucket_and_key() -> None:
    dataset = assets.convert_asset_to_openlineage(assets.cos_asset(bucket="b-1250000000", key="a b"), None)
    assert (dataset.namespace, dataset.name) == ("cos://b-1250000000", "a b")


def events(uri: str) -> list[dict[str, Any]]:
    with create_session() as session:
        return [event.extra for event in session.scalars(select(AssetEvent)) if event.asset.uri == uri]


def test_an_upload_emits_the_asset_it_wrote(cloud: Cloud, in_database: Put, tmp_path: Path) -> None:
    in_database(cloud)
    (tmp_path / "file").write_bytes(b"12345")
    key = f"assets/a #1?{cloud.vendor}.csv"
    own = Asset(assets.asset_uri(cloud.vendor, cloud.bucket, f"assets/static-{cloud.vendor}"))
    with DAG("emitting", schedule=None) as dag:
        UploadObjectOperator(task_id="alias", source=str(tmp_path / "file"), key=key, outlets=[AssetAlias("reports")])
        UploadObjectOperator(
            task_id="own", source=str(tmp_path / "file"), key=f"assets/static-{cloud.vendor}", outlets=[own]
        )
        UploadObjectOperator(
            task_id="many", source=str(tmp_path), key=f"assets/many-{cloud.vendor}/", outlets=[AssetAlias("reports")]
        )
    result = dag_runs.run(dag)
    assert result.state == "success", result.errors
    (extra,) = events(assets.asset_uri(cloud.vendor, cloud.bucket, key))
    assert extra == result.xcom("alias")
    assert events(own.uri) == [result.xcom("own")]
    (extra,) = events(assets.asset_uri(cloud.vendor, cloud.bucket, f"assets/many-{cloud.vendor}/"))
    assert (extra["count"], extra["size"]) == (1, 5)
