"""A recipe comes back from JSON as it went, holds no secret, and says what is wrong with it."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from aksk_provider.errors import InvalidRequestError
from aksk_provider.storage.presigning.recipes import MARK, Recipe, is_recipe

LEAST = {"vendor": "oss", "bucket": "examplebucket", "key": "a b/年", "conn_id": "aksk_default"}
MOST = {
    **LEAST,
    "method": "PUT",
    "lifetime": 600,
    "expires_at": "2026-11-21T08:00:00+00:00",
    "headers": {"Content-Type": "text/csv"},
    "params": {"x": "y"},
    "version_id": "v",
    "filename": "年.csv",
    "response_content_type": "text/csv",
    "content_length": 5,
    "endpoint": "https://files.example.com",
    "clamp": True,
}


@pytest.mark.parametrize("given", [LEAST, MOST], ids=["least", "most"])
def test_a_recipe_comes_back_from_json_as_it_went(given: dict[str, Any]) -> None:
    recipe = Recipe(**given)
    said = json.loads(json.dumps(recipe.to_dict()))
    assert is_recipe(said)
    assert Recipe.from_dict(said) == recipe
    assert said == {MARK: 1, "method": "GET", **given}


def test_the_arguments_of_presign_are_those_that_say_something() -> None:
    assert Recipe(**LEAST).presign_arguments() == {"method": "GET"}
    assert Recipe(**LEAST, lifetime=60).presign_arguments() == {"method": "GET", "expires_in": timedelta(minutes=1)}
    most = Recipe(**MOST).presign_arguments()
    assert most["expires_at"] == datetime(2026, 11, 21, 8, tzinfo=timezone.utc)
    assert "expires_in" not in most
    assert (most["filename"], most["clamp"], most["content_length"]) == ("年.csv", True, 5)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"vendor": "s3"}, "vendor must be one of bos, oss, cos"),
        ({"bucket": "UPPER"}, "bucket 'UPPER'"),
        ({"key": ""}, "key Alibaba OSS keys have 1 to"),
        ({"key": "a/../b"}, r"key .*'\.\.' segment"),
        ({"key": 5}, "key must be str, not int"),
        ({"conn_id": ""}, "conn_id is empty"),
        ({"method": "GET it"}, "method 'GET it' is not"),
        ({"lifetime": 0}, "lifetime must be at least one second"),
        ({"lifetime": "60"}, "lifetime must be int or null, not str"),
        ({"lifetime": True}, "lifetime must be int or null, not bool"),
        ({"expires_at": "2026-11-21T08:00:00"}, "expires_at .* must have a time zone"),
        ({"expires_at": "soon"}, "expires_at must be an ISO 8601 time"),
        ({"headers": {"A": 1}}, "headers must be a dictionary of texts"),
        ({"headers": {"A": "1\n2"}}, "headers header A holds a control character"),
        ({"headers": ["A"]}, "headers must be a dictionary of texts, not list"),
        ({"headers": {"x-oss-security-token": "t"}}, "headers x-oss-security-token would carry a secret"),
        ({"headers": {"X-Oss-Server-Side-Encryption-Customer-Key": "k"}}, "headers .* would carry a secret"),
        ({"params": {"x-oss-signature": "s"}}, "params x-oss-signature would carry a secret"),
        ({"secret_key": "s"}, "secret_key is not known"),
        ({"clamp": "yes"}, "clamp must be bool, not str"),
        ({MARK: 2}, "aksk_recipe 2 is not a version"),
    ],
)
def test_what_is_wrong_is_named(change: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidRequestError, match=f"^recipe: {message}"):
        Recipe.from_dict({MARK: 1, **LEAST, **change})


@pytest.mark.parametrize("missing", LEAST)
def test_a_field_that_is_missing_is_named(missing: str) -> None:
    with pytest.raises(InvalidRequestError, match=f"^recipe: {missing} is missing"):
        Recipe.from_dict({MARK: 1, **{name: value for name, value in LEAST.items() if name != missing}})


def test_something_else_is_no_recipe() -> None:
    with pytest.raises(InvalidRequestError, match="this is no recipe: it has no aksk_recipe"):
        Recipe.from_dict({"url": "https://host/"})
