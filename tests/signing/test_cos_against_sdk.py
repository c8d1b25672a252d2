"""Every COS signature is byte for byte the one that Tencent's SDK makes."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import strategies as st

from aksk_provider.signing import CosSigner
from tests.signing import sdk_cos, sdk_limits, strategies
from tests.signing.differential import against_sdk, assert_enough_are_declared
from tests.signing.sdk_cos import TOKEN, Place
from tests.signing.strategies import Case, cases, target

HEADERS = strategies.headers(
    [
        "content-type",
        "content-md5",
        "content-length",
        "cache-control",
        "range",
        "if-match",
        "expect",
        "origin",
        "pic-operations",
        "x-cos-acl",
        "x-cos-traffic-limit",
        "x-ci-process",
        "date",
        "user-agent",
    ],
    "x-cos-meta-",
)
CASES = cases(HEADERS, keys=sdk_limits.cos_keys, params=sdk_limits.cos_params)
PLACES = sdk_limits.cos_places
ANY_PORT = sdk_limits.cos_places_with_host_header


def in_headers(case: Case) -> dict[str, str]:
    """Return the headers that are on the wire, with the token that the SDK's client adds before it signs."""
    headers = sdk_limits.cos_headers_on_the_wire(case.headers)
    return headers | ({TOKEN: case.credentials.token} if case.credentials.token else {})


@against_sdk("cos", 600, case=CASES, place=PLACES)
def test_a_signed_request_carries_the_sdks_authorization(case: Case, place: Place) -> None:
    request = case.request(place.base)
    signed = CosSigner().sign(request, case.credentials, now=case.now, expires_in=case.expires_in)

    theirs = sdk_cos.sign(
        place, case.method, case.key, dict(case.params), in_headers(case), case.credentials, case.now, case.seconds
    )
    assert signed.headers["Authorization"] == theirs
    assert signed.headers.get(TOKEN) == case.credentials.token
    assert signed.url == request.url


@against_sdk("cos", 300, case=CASES, place=ANY_PORT, host=st.sampled_from([None, "bucket.example.com", "a.example:81"]))
def test_an_explicit_host_is_signed_as_the_sdk_signs_it(case: Case, place: Place, host: str | None) -> None:
    """As for an IP address, where the SDK sends the bucket's host name; and the only way to a port."""
    explicit = replace(case, headers=case.headers | {"Host": host or place.host})
    signed = CosSigner().sign(explicit.request(place.base), case.credentials, now=case.now, expires_in=case.expires_in)

    theirs = sdk_cos.sign(
        place, case.method, case.key, dict(case.params), in_headers(explicit), case.credentials, case.now, case.seconds
    )
    assert signed.headers["Authorization"] == theirs


@against_sdk("cos", 300, case=CASES, place=PLACES)
def test_a_signature_to_hand_out_is_the_sdks_get_auth(case: Case, place: Place) -> None:
    signed = CosSigner().sign(case.request(place.base), case.credentials, now=case.now, expires_in=case.expires_in)

    theirs = sdk_cos.get_auth(
        place, case.method, case.key, dict(case.params), in_headers(case), case.credentials, case.now, case.seconds
    )
    assert signed.headers["Authorization"] == theirs


@against_sdk("cos", 400, case=CASES, place=PLACES, picks=st.lists(st.booleans(), min_size=12, max_size=12))
def test_header_and_parameter_lists_sign_what_the_sdk_signs_of_a_part(
    case: Case, place: Place, picks: list[bool]
) -> None:
    """The SDK signs all that it is given, so it is given only what our lists name."""
    sign_host, *rest = picks
    headers = {name: value for (name, value), pick in zip(case.headers.items(), rest, strict=False) if pick}
    params = {name: value for (name, value), pick in zip(case.params, rest[6:], strict=False) if pick}
    only = {name for name in headers if name.lower() not in ("date", "user-agent")}
    listed = [name.swapcase() for name in only] + (["Host"] if sign_host else [])
    signer = CosSigner(signed_headers=listed, signed_params=list(params))
    signed = signer.sign(case.request(place.base), case.credentials, now=case.now, expires_in=case.expires_in)

    given = in_headers(replace(case, headers={name: headers[name] for name in only}))
    theirs = sdk_cos.sign(
        place, case.method, case.key, params, given, case.credentials, case.now, case.seconds, sign_host=sign_host
    )
    assert signed.headers["Authorization"] == theirs


@against_sdk("cos", 700, case=CASES, place=PLACES)
def test_a_url_is_the_sdk_clients(case: Case, place: Place) -> None:
    presigned = CosSigner().presign(
        case.request(place.base), case.credentials, now=case.now, expires_in=case.expires_in
    )

    params = sdk_limits.cos_params_with_token(case.params, case.credentials.token)
    headers = sdk_limits.cos_headers_on_the_wire(case.headers)
    theirs = sdk_cos.presign(place, case.method, case.key, params, headers, case.credentials, case.now, case.seconds)
    assert target(presigned.url) == target(sdk_limits.cos_spaces_as_signed(theirs))


def test_two_thousand_requests_are_compared() -> None:
    assert_enough_are_declared("cos")
