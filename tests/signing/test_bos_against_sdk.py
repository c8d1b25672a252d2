"""Every BOS signature is byte for byte the one that Baidu's SDK makes."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import strategies as st

from aksk_provider.signing import BosSigner
from tests.signing import sdk_bos, sdk_limits
from tests.signing.differential import against_sdk, assert_enough_are_declared
from tests.signing.sdk_bos import TOKEN, Place, names_to_sign
from tests.signing.strategies import Case, cases, headers, target

# The SDK reads the clock and converts times with functions that Python 3.12 deprecates.
pytestmark = pytest.mark.filterwarnings("ignore:datetime.datetime.utc:DeprecationWarning")

HEADERS = headers(
    [
        "content-type",
        "content-md5",
        "content-length",
        "x-bce-acl",
        "x-bce-storage-class",
        "x-bce-date",
        "range",
        "date",
    ],
    "x-bce-meta-",
)
PLACES = sdk_limits.bos_places


def sdk_authorization(case: Case, place: Place, headers: dict[str, str], names: list[str]) -> str:
    path = f"{place.prefix}/{case.key}"
    return sdk_bos.sign(case.method, path, case.params, headers, names, case.credentials, case.now, case.seconds)


def authorization_in(url: str) -> str:
    return dict(parse_qsl(urlsplit(url).query))["authorization"]


@against_sdk("bos", 600, case=cases(HEADERS, params=sdk_limits.bos_params), place=PLACES)
def test_a_signed_request_carries_the_sdks_authorization(case: Case, place: Place) -> None:
    request = case.request(place.base)
    signed = BosSigner().sign(request, case.credentials, now=case.now, expires_in=case.expires_in)

    headers = {**case.headers, "Host": place.host}
    if case.credentials.token:
        headers[TOKEN] = case.credentials.token
    assert signed.headers["Authorization"] == sdk_authorization(case, place, headers, names_to_sign(headers))
    assert signed.headers["Host"] == place.host
    assert signed.headers.get(TOKEN) == case.credentials.token
    assert signed.url == request.url


@against_sdk(
    "bos",
    400,
    case=cases(HEADERS, params=sdk_limits.bos_params),
    place=PLACES,
    chosen=st.lists(st.sampled_from(["Content-Type", "content-md5", "Range", "Date", "absent"]), max_size=3),
)
def test_an_explicit_list_is_signed_as_the_sdk_signs_it(case: Case, place: Place, chosen: list[str]) -> None:
    chosen = sdk_limits.every_bce_header_listed(case.headers, chosen)
    signer = BosSigner(signed_headers=chosen)
    signed = signer.sign(case.request(place.base), case.credentials, now=case.now, expires_in=case.expires_in)

    headers = {**case.headers, "Host": place.host}
    if case.credentials.token:
        headers[TOKEN] = case.credentials.token
    names = names_to_sign(headers, chosen)
    assert signed.headers["Authorization"] == sdk_authorization(case, place, headers, names)


@against_sdk("bos", 400, case=cases(HEADERS, params=sdk_limits.bos_params), place=PLACES)
def test_a_url_for_any_method_carries_the_sdks_authorization(case: Case, place: Place) -> None:
    presigned = BosSigner().presign(
        case.request(place.base), case.credentials, now=case.now, expires_in=case.expires_in
    )

    in_url = [(TOKEN, case.credentials.token)] if case.credentials.token else []
    in_query = replace(case, params=[*case.params, *in_url])
    headers = {**case.headers, "Host": place.host}
    expected = sdk_authorization(in_query, place, headers, names_to_sign(headers))
    assert authorization_in(presigned.url) == expected


@against_sdk(
    "bos",
    400,
    case=cases(HEADERS, keys=sdk_limits.bos_client_keys, params=sdk_limits.bos_client_params, methods=("GET", "HEAD")),
    place=PLACES,
)
def test_a_url_to_read_is_the_sdk_clients(case: Case, place: Place) -> None:
    request = case.request(place.base)
    presigned = BosSigner().presign(request, case.credentials, now=case.now, expires_in=case.expires_in)

    names = names_to_sign({**case.headers, "Host": place.host})
    theirs = sdk_bos.presign(
        place,
        case.method,
        case.key,
        dict(case.params),
        case.headers,
        names,
        case.credentials,
        case.now,
        case.seconds,
    )
    assert target(presigned.url) == target(theirs)


@against_sdk(
    "bos",
    400,
    case=cases(
        st.just({}),
        keys=sdk_limits.bos_client_keys,
        params=sdk_limits.bos_client_params,
        methods=("PUT", "POST", "DELETE"),
    ),
    place=PLACES,
)
def test_a_url_to_write_is_the_sdk_clients(case: Case, place: Place) -> None:
    """Without headers; with ``x-bce-*`` headers the SDK's is wrong, see test_where_sdks_are_wrong.py."""
    request = case.request(place.base)
    presigned = BosSigner().presign(request, case.credentials, now=case.now, expires_in=case.expires_in)

    theirs = sdk_bos.presign(
        place, case.method, case.key, dict(case.params), {}, None, case.credentials, case.now, case.seconds
    )
    assert target(presigned.url) == target(theirs)


def test_two_thousand_requests_are_compared() -> None:
    assert_enough_are_declared("bos")
