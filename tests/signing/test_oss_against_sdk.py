"""Every OSS signature is byte for byte the one that Alibaba's SDK makes."""

from __future__ import annotations

from dataclasses import replace

import alibabacloud_oss_v2 as oss
from hypothesis import strategies as st

from aksk_provider.signing import OssSigner, Request
from tests.signing import sdk_limits, sdk_oss, strategies
from tests.signing.differential import against_sdk, assert_enough_are_declared
from tests.signing.sdk_oss import BUCKET, REGION, TOKEN, Place
from tests.signing.strategies import Case, cases, target

HEADERS = strategies.headers(
    ["content-type", "content-md5", "content-length", "x-oss-object-acl", "x-oss-range-behavior", "range", "if-match"],
    "x-oss-meta-",
)
PLACES = sdk_limits.oss_places
SEVEN_DAYS, TWELVE_HOURS = 604_800, 43_200
SIGNED_BY_THE_SDK = ("Authorization", "x-oss-date", "x-oss-content-sha256", TOKEN)

extra_headers = st.lists(
    st.sampled_from(["Host", "Content-Length", "range", "IF-MATCH", "content-type", "x-oss-meta-a", "absent"]),
    max_size=4,
)
scopes = st.sampled_from([("oss", REGION), ("oss", "us-west-1"), ("oss-cloudbox", "cb-f8z7yvzgwfkl9q0h")])


def within_limits(case: Case) -> Case:
    """Keep the lifetime under 7 days, or 12 hours with a token: over that the vendor, and we, refuse."""
    return replace(case, seconds=case.seconds % (TWELVE_HOURS if case.credentials.token else SEVEN_DAYS) or 1)


@against_sdk("oss", 600, case=cases(HEADERS), place=PLACES)
def test_a_signed_request_is_the_sdk_clients(case: Case, place: Place) -> None:
    request = case.request(place.base)
    signer = OssSigner(region=REGION, bucket=BUCKET)
    signed = signer.sign(request, case.credentials, now=case.now)

    headers = sdk_limits.oss_headers_on_the_wire(case.headers)
    theirs = sdk_oss.request(place, case.method, BUCKET, case.key, case.params, headers, case.credentials, case.now)
    assert target(signed.url) == target(theirs.url)
    assert signed.url == request.url
    for name in SIGNED_BY_THE_SDK:
        assert signed.headers.get(name) == theirs.headers.get(name)


@against_sdk("oss", 200, case=cases(HEADERS), place=PLACES, of_bucket=st.booleans())
def test_a_signed_request_for_a_bucket_or_the_service_is_the_sdk_clients(
    case: Case, place: Place, of_bucket: bool
) -> None:
    """A bucket's resource ends in a slash, the service's is one: neither depends on the host."""
    bucket = BUCKET if of_bucket else None
    headers = sdk_limits.oss_headers_on_the_wire(case.headers)
    theirs = sdk_oss.request(place, case.method, bucket, None, case.params, headers, case.credentials, case.now)

    signer = OssSigner(region=REGION, bucket=bucket)
    signed = signer.sign(Request(case.method, theirs.url, case.headers), case.credentials, now=case.now)
    assert signed.headers["Authorization"] == theirs.headers["Authorization"]


@against_sdk("oss", 400, case=cases(HEADERS), place=PLACES, extra=extra_headers, scope=scopes)
def test_additional_headers_are_signed_as_the_sdk_signs_them(
    case: Case, place: Place, extra: list[str], scope: tuple[str, str]
) -> None:
    product, region = scope
    signer = OssSigner(region=region, product=product, bucket=BUCKET, additional_headers=extra)
    signed = signer.sign(case.request(place.base), case.credentials, now=case.now)

    headers = sdk_limits.oss_headers_on_the_wire(case.headers) | {"Host": place.host}
    theirs, _ = sdk_oss.signed_in_context(
        sdk_oss.SignerV4(),
        case.method,
        place.base,
        case.key,
        case.params,
        headers,
        case.credentials,
        case.now,
        extra,
        product=product,
        region=region,
    )
    for name in SIGNED_BY_THE_SDK:
        assert signed.headers.get(name) == theirs.headers.get(name)


@against_sdk("oss", 400, case=cases(HEADERS, params=sdk_limits.oss_url_params).map(within_limits), place=PLACES)
def test_a_url_for_any_method_is_the_sdk_clients(case: Case, place: Place) -> None:
    signer = OssSigner(region=REGION, bucket=BUCKET)
    presigned = signer.presign(case.request(place.base), case.credentials, now=case.now, expires_in=case.expires_in)

    headers = sdk_limits.oss_headers_on_the_wire(case.headers)
    theirs = sdk_oss.request(
        place, case.method, BUCKET, case.key, case.params, headers, case.credentials, case.now, case.seconds
    )
    assert target(presigned.url) == target(theirs.url)


@against_sdk(
    "oss",
    400,
    case=cases(HEADERS, params=sdk_limits.oss_url_params).map(within_limits),
    place=PLACES,
    extra=extra_headers,
    scope=scopes,
)
def test_a_url_with_additional_headers_is_the_sdks(
    case: Case, place: Place, extra: list[str], scope: tuple[str, str]
) -> None:
    product, region = scope
    signer = OssSigner(region=region, product=product, bucket=BUCKET, additional_headers=extra)
    request = case.request(place.base)
    presigned = signer.presign(request, case.credentials, now=case.now, expires_in=case.expires_in)

    theirs, _ = sdk_oss.signed_in_context(
        sdk_oss.SignerV4(),
        case.method,
        request.url.partition("?")[0],
        case.key,
        case.params,
        sdk_limits.oss_headers_on_the_wire(case.headers) | {"Host": place.host},
        case.credentials,
        case.now,
        extra,
        case.seconds,
        product=product,
        region=region,
    )
    assert target(presigned.url) == target(theirs.url)


def _get(case: Case) -> oss.GetObjectRequest:
    return oss.GetObjectRequest(
        BUCKET,
        case.key,
        version_id="CAEQ",
        response_content_disposition='attachment; filename="中 文.txt"',
        range_behavior="standard",
        request_payer="requester",
        process="image/resize,w_10",
    )


MODELS = {
    "GET": _get,
    "HEAD": lambda case: oss.HeadObjectRequest(BUCKET, case.key),
    "PUT": lambda case: oss.PutObjectRequest(BUCKET, case.key, content_type="text/plain", metadata={"a": "b"}),
    "POST": lambda case: oss.InitiateMultipartUploadRequest(BUCKET, case.key, storage_class="IA"),
    "PUT part": lambda case: oss.UploadPartRequest(BUCKET, case.key, part_number=3, upload_id="0004B9894A22E5B1"),
    "POST complete": lambda case: oss.CompleteMultipartUploadRequest(BUCKET, case.key, upload_id="0004B9894A22E5B1"),
    "DELETE": lambda case: oss.AbortMultipartUploadRequest(BUCKET, case.key, upload_id="0004B9894A22E5B1"),
}


@against_sdk(
    "oss",
    300,
    case=cases(st.just({}), params=st.just([])).map(within_limits),
    place=PLACES,
    operation=st.sampled_from(sorted(MODELS)),
)
def test_a_presigned_operation_is_the_sdk_presigners(case: Case, place: Place, operation: str) -> None:
    """Its own models: version, response overrides, signed headers and the ones to send along."""
    theirs = sdk_oss.presign(place, MODELS[operation](case), case.credentials, case.now, case.seconds)

    ours_to_sign = [pair for pair in target(theirs.url)[3] if pair[0] not in sdk_oss.SIGNATURE_FIELDS]
    request = replace(case, method=theirs.method, params=ours_to_sign, headers=dict(theirs.signed_headers))
    presigned = OssSigner(region=REGION, bucket=BUCKET).presign(
        request.request(place.base), case.credentials, now=case.now, expires_in=case.expires_in
    )
    assert target(presigned.url) == target(theirs.url)
    assert presigned.method == theirs.method
    assert presigned.signed_headers == theirs.signed_headers
    assert presigned.expires_at == theirs.expiration.replace(microsecond=0)


def test_two_thousand_requests_are_compared() -> None:
    assert_enough_are_declared("oss")
