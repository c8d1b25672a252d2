"""What each exclusion of sdk_limits.py leaves out: the SDK's output beside ours, and why ours is right."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from urllib.parse import parse_qsl, urlsplit

import pytest
import requests
from alibabacloud_oss_v2.exceptions import OperationError
from alibabacloud_oss_v2.types import HttpRequest

from aksk_provider.errors import InvalidRequestError
from aksk_provider.signing import BosSigner, CosSigner, Credentials, OssSigner, Request, cos
from tests.signing import sdk_bos, sdk_cos, sdk_oss
from tests.signing.strategies import target

pytestmark = pytest.mark.filterwarnings("ignore:datetime.datetime.utc:DeprecationWarning")

NOW = datetime(2024, 2, 29, 12, 0, tzinfo=timezone.utc)
HOUR = timedelta(hours=1)
KEYS = Credentials("AKIDEXAMPLE", "not-a-secret")
WITH_TOKEN = Credentials("AKIDEXAMPLE", "not-a-secret", "a/token+=")

BOS = sdk_bos.PLACES[0]
OSS = sdk_oss.PLACES[0]
COS = sdk_cos.PLACES[0]
oss_signer = OssSigner(region=sdk_oss.REGION, bucket=sdk_oss.BUCKET)


def query(url: str) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(url).query, keep_blank_values=True))


def bos_sdk_url(method: str, key: str, headers: dict[str, str] | None = None, place: sdk_bos.Place = BOS) -> str:
    return sdk_bos.presign(place, method, key, {}, headers or {}, None, KEYS, NOW, 3600)


def test_the_bos_client_signs_headers_into_a_url_that_its_list_does_not_name() -> None:
    """A server signs the headers that the list names; here that is the host alone."""
    acl = {"x-bce-acl": "private"}
    theirs = query(bos_sdk_url("PUT", "a", acl))["authorization"]
    ours = BosSigner().presign(Request("PUT", f"{BOS.base}/a", acl), KEYS, now=NOW, expires_in=HOUR)

    host = {"host": BOS.host}
    of_a_server = sdk_bos.sign("PUT", "/a", [], host, ["host"], KEYS, NOW, 3600)
    assert theirs.split("/")[4] == "host"
    assert theirs != of_a_server
    assert query(ours.url)["authorization"].split("/")[4] == "host;x-bce-acl"
    assert ours.signed_headers == acl
    assert query(ours.url)["authorization"] == sdk_bos.sign(
        "PUT", "/a", [], host | acl, ["host", "x-bce-acl"], KEYS, NOW, 3600
    )


def test_the_bos_sdk_signs_headers_beside_an_explicit_list() -> None:
    host, acl = {"Host": BOS.host}, {"x-bce-acl": "private"}
    of_a_server = sdk_bos.sign("PUT", "/a", [], host, ["host"], KEYS, NOW, 3600)
    assert sdk_bos.sign("PUT", "/a", [], host | acl, ["host"], KEYS, NOW, 3600) != of_a_server
    ours = BosSigner(signed_headers=[]).sign(Request("PUT", f"{BOS.base}/a", acl), KEYS, now=NOW, expires_in=HOUR)
    assert ours.headers["Authorization"] == of_a_server


def test_the_bos_client_presigns_another_object_when_a_key_ends_in_a_slash() -> None:
    ours = BosSigner().presign(Request("GET", f"{BOS.base}//dir/", {}), KEYS, now=NOW, expires_in=HOUR)
    assert urlsplit(bos_sdk_url("GET", "/dir/")).path == "/dir"
    assert urlsplit(ours.url).path == "//dir/"


def test_the_bos_client_refuses_a_key_called_v1() -> None:
    with pytest.raises(ValueError, match="v1"):
        bos_sdk_url("GET", "v1")
    assert BosSigner().presign(Request("GET", f"{BOS.base}/v1", {}), KEYS, now=NOW).url.startswith(f"{BOS.base}/v1?")


def test_the_bos_sdk_signs_the_authorization_parameter_that_the_formula_leaves_out() -> None:
    """With it in the signature no server can check the signature, which is in it."""
    host = {"Host": BOS.host}
    plain = sdk_bos.sign("GET", "/a", [], host, ["host"], KEYS, NOW, 3600)
    assert sdk_bos.sign("GET", "/a", [("Authorization", "x")], host, ["host"], KEYS, NOW, 3600) != plain
    for name in ("authorization", "Authorization"):
        signed = BosSigner().sign(Request("GET", f"{BOS.base}/a?{name}=x"), KEYS, now=NOW, expires_in=HOUR)
        assert signed.headers["Authorization"] == plain


def test_the_bos_client_drops_the_brackets_of_an_ipv6_address() -> None:
    place = sdk_bos.Place("http://[::1]:9000", "")
    ours = BosSigner().presign(Request("GET", "http://[::1]:9000/examplebucket/a"), KEYS, now=NOW)
    assert bos_sdk_url("GET", "a", place=place).startswith("http://::1:9000/")
    assert (urlsplit(ours.url).hostname, urlsplit(ours.url).port) == ("::1", 9000)


def oss_sdk(
    params: list[tuple[str, str]], headers: dict[str, str], seconds: int | None = None, key: str = "a"
) -> HttpRequest:
    return sdk_oss.request(OSS, "GET", sdk_oss.BUCKET, key, params, headers, KEYS, NOW, seconds)


def test_the_oss_sdk_signs_the_padding_of_a_value_that_the_formula_trims() -> None:
    padded, trimmed = {"x-oss-meta-a": " v "}, {"x-oss-meta-a": "v"}
    signed = oss_signer.sign(Request("GET", f"{OSS.base}/a", padded), KEYS, now=NOW)
    assert oss_sdk([], padded).headers["Authorization"] != oss_sdk([], trimmed).headers["Authorization"]
    assert signed.headers["Authorization"] == oss_sdk([], trimmed).headers["Authorization"]
    assert signed.headers["x-oss-meta-a"] == "v"


def test_the_oss_sdk_loses_a_repeated_parameter_in_a_url_but_not_in_a_header() -> None:
    params = [("tag", "1"), ("tag", "2")]
    request = Request("GET", f"{OSS.base}/a?tag=1&tag=2")
    ours = oss_signer.presign(request, KEYS, now=NOW, expires_in=HOUR)
    assert [pair for pair in target(oss_sdk(params, {}, 3600).url)[3] if pair[0] == "tag"] == [("tag", "2")]
    assert [pair for pair in target(ours.url)[3] if pair[0] == "tag"] == params

    signed = oss_signer.sign(request, KEYS, now=NOW)
    assert signed.headers["Authorization"] == oss_sdk(params, {}).headers["Authorization"]


def test_the_oss_client_ignores_its_setting_for_additional_headers() -> None:
    place = sdk_oss.Place(OSS.base, {"additional_headers": ("range",)})
    request = Request("GET", f"{OSS.base}/a", {"range": "bytes=0-9"})
    signer = OssSigner(region=sdk_oss.REGION, bucket=sdk_oss.BUCKET, additional_headers=["range"])
    theirs = sdk_oss.request(place, "GET", sdk_oss.BUCKET, "a", [], dict(request.headers), KEYS, NOW)
    assert "AdditionalHeaders" not in theirs.headers["Authorization"]
    assert "AdditionalHeaders=range," in signer.sign(request, KEYS, now=NOW).headers["Authorization"]


def test_the_oss_sdk_signs_text_outside_ascii_that_no_client_sends_so() -> None:
    """It signs UTF-8; HTTP clients send Latin-1, or nothing. We ask for percent-encoding instead."""
    headers = {"x-oss-meta-a": "\u00e9"}
    assert oss_sdk([], headers).headers["Authorization"]
    assert headers["x-oss-meta-a"].encode("latin-1") != headers["x-oss-meta-a"].encode()
    with pytest.raises(InvalidRequestError, match="ASCII"):
        oss_signer.sign(Request("GET", f"{OSS.base}/a", headers), KEYS, now=NOW)


def test_the_oss_sdk_presigns_for_longer_than_a_token_url_may_live() -> None:
    """The vendor's limit is 43,200 seconds with a token; the SDK knows the 7 days alone."""
    day = timedelta(days=1)
    theirs = sdk_oss.request(OSS, "GET", sdk_oss.BUCKET, "a", [], {}, WITH_TOKEN, NOW, 86_400)
    assert query(theirs.url)["x-oss-expires"] == "86400"
    with pytest.raises(InvalidRequestError, match="12:00:00"):
        oss_signer.presign(Request("GET", f"{OSS.base}/a"), WITH_TOKEN, now=NOW, expires_in=day)


def test_the_oss_sdk_signs_a_dot_segment_that_its_http_library_removes() -> None:
    theirs = oss_sdk([], {}, key="a/../b")
    assert urlsplit(theirs.url).path == "/a/../b"
    assert urlsplit(requests.Request("GET", theirs.url).prepare().url).path == "/b"
    with pytest.raises(InvalidRequestError, match="segment"):
        oss_signer.sign(Request("GET", theirs.url), KEYS, now=NOW)


def test_the_oss_client_takes_an_ipv6_address_for_a_domain() -> None:
    """Pythons differ: the newer ones split that URL, the older ones refuse it inside the SDK."""
    place = sdk_oss.Place("", {"endpoint": "http://[::1]:9000"})
    try:
        theirs = sdk_oss.request(place, "GET", sdk_oss.BUCKET, "a", [], {}, KEYS, NOW).url
    except OperationError as error:
        theirs = str(error)
    assert theirs == "http://examplebucket.[::1]:9000/a" or "Invalid IPv6 URL" in theirs
    assert oss_signer.resource("http://[::1]:9000/examplebucket/a") == "/examplebucket/a"


def cos_sdk(key: str, params: dict[str, str], headers: dict[str, str], place: sdk_cos.Place = COS) -> str:
    return sdk_cos.get_auth(place, "GET", key, params, headers, KEYS, NOW, 3600)


def cos_ours(url: str, headers: dict[str, str] | None = None) -> str:
    return CosSigner().sign(Request("GET", url, headers or {}), KEYS, now=NOW, expires_in=HOUR).headers["Authorization"]


def test_the_cos_sdk_signs_the_padding_of_a_value_that_no_server_receives() -> None:
    padded, trimmed = {"x-cos-meta-a": " v "}, {"x-cos-meta-a": "v"}
    assert cos_sdk("a", {}, padded) != cos_sdk("a", {}, trimmed)
    assert cos_ours(f"{COS.base}/a", padded) == cos_sdk("a", {}, trimmed)


def test_the_cos_sdk_merges_parameters_that_differ_in_case_and_knows_none_twice() -> None:
    """Both are sent, so both have to be listed: the vendor's list has an entry for each signed parameter.

    The order of the values is that of the vendor's Go SDK, which sorts them before it encodes them.
    """
    assert "q-url-param-list=a&" in cos_sdk("a", {"A": "1", "a": "2"}, {})
    assert "q-url-param-list=a;a&" in cos_ours(f"{COS.base}/a?A=1&a=2")
    pairs = cos.param_pairs(Request("GET", f"{COS.base}/a?t=%E4%B8%AD&t=a&T=A"), bool)
    assert pairs == [("t", "A"), ("t", "a"), ("t", "%E4%B8%AD")]


def test_the_cos_sdk_drops_a_leading_slash_of_a_key() -> None:
    assert cos_sdk("/a", {}, {}) == cos_sdk("a", {}, {}) == cos_ours(f"{COS.base}/a")
    assert cos_ours(f"{COS.base}//a") != cos_ours(f"{COS.base}/a")


def test_the_cos_sdk_signs_a_host_without_the_port_that_is_sent() -> None:
    place = sdk_cos.PLACES_WITH_PORT[0]
    sent = {"host": place.host}
    assert place.host.endswith(":444")
    assert cos_sdk("a", {}, {}, place) == cos_sdk("a", {}, {"host": "files.example.com"}, place)
    assert cos_ours(f"{place.base}/a") == cos_sdk("a", {}, sent, place)


def test_the_cos_client_presigns_without_the_token_it_is_given() -> None:
    """A server refuses temporary keys without their token, so such a URL never works."""
    arguments = ({}, {}, WITH_TOKEN, NOW, 3600)
    theirs = sdk_cos.presign(COS, "GET", "a", *arguments)
    ours = CosSigner().presign(Request("GET", f"{COS.base}/a"), WITH_TOKEN, now=NOW, expires_in=HOUR)
    assert sdk_cos.TOKEN not in query(theirs)
    assert query(theirs)["q-url-param-list"] == ""
    assert query(ours.url)[sdk_cos.TOKEN] == WITH_TOKEN.token
    assert query(ours.url)["q-url-param-list"] == sdk_cos.TOKEN


def test_the_cos_client_writes_a_space_of_its_query_as_a_plus() -> None:
    theirs = sdk_cos.presign(COS, "GET", "a", {"p": "x y"}, {}, KEYS, NOW, 3600)
    ours = CosSigner().presign(Request("GET", f"{COS.base}/a?p=x%20y"), KEYS, now=NOW, expires_in=HOUR)
    assert "p=x+y" in theirs
    assert "p=x%20y" in ours.url
    assert query(ours.url)["q-signature"] == query(theirs)["q-signature"]


def test_the_cos_client_only_spells_a_dot_before_a_slash_in_another_way() -> None:
    """No exclusion: the key is the same once it is decoded, and so is the signature."""
    theirs = sdk_cos.presign(COS, "GET", "a./b", {}, {}, KEYS, NOW, 3600)
    ours = CosSigner().presign(Request("GET", f"{COS.base}/a./b"), KEYS, now=NOW, expires_in=HOUR)
    assert urlsplit(theirs).path == "/a.%2Fb"
    assert target(theirs) == target(ours.url)
