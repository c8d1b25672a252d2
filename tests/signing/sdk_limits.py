"""Where a vendor's SDK is wrong or cannot follow: each exclusion from the differential tests, by name.

test_where_sdks_are_wrong.py shows, for every name here, what the SDK does and what we do.
"""

from __future__ import annotations

from urllib.parse import quote

from hypothesis import strategies as st

from tests.signing import sdk_bos, sdk_cos, sdk_oss, strategies

Pairs = list[tuple[str, str]]


def _not_authorization(pairs: Pairs) -> bool:
    return all(name.lower() != "authorization" for name, _ in pairs)


def _unique_names(pairs: Pairs) -> bool:
    return len({name for name, _ in pairs}) == len(pairs)


def _unique_cos_names(pairs: Pairs) -> bool:
    return len({quote(name, safe="").lower() for name, _ in pairs}) == len(pairs)


bos_params = strategies.params.filter(_not_authorization)
"""Without a parameter called ``authorization``: the vendor's formula leaves it out, and so does its Go SDK, but a
missing pair of parentheses makes the Python SDK sign it."""

bos_client_params = strategies.params.filter(_unique_names).filter(_not_authorization)
"""As above and without repetitions: the BOS client takes a dict."""

bos_client_keys = strategies.keys.map(lambda key: key.strip("/")).filter(
    lambda key: key not in ("", "v1", "V1") and strategies.has_no_dot_segment(key)
)
"""Without slashes at either end and not ``v1``: the BOS client strips the slashes, so that its URL leads to another
object, and refuses ``v1`` because of a path prefix that its own URLs no longer have."""


def every_bce_header_listed(headers: dict[str, str], chosen: list[str]) -> list[str]:
    """Return a list to sign with all ``x-bce-*`` headers added.

    The BOS SDK puts them into the canonical request even if the list that it sends does not name them; a server,
    which goes by the list, computes another signature.
    """
    return [*chosen, *(name for name in headers if name.lower().startswith("x-bce-"))]


oss_url_params = strategies.params.filter(_unique_names)
"""Without repetitions: the OSS SDK reads the query of a URL into a dict as it presigns, and loses all but the last."""

oss_headers_on_the_wire = strategies.without_padding
"""The OSS SDK is given values without padding: it signs the padding, where the vendor's formula trims."""

cos_params = strategies.params.filter(_unique_cos_names)
"""Names that differ in lower case, once each: the COS SDK keeps the parameters in a dict, before and after lowering."""

cos_keys = strategies.keys.map(lambda key: key.lstrip("/")).filter(
    lambda key: bool(key) and strategies.has_no_dot_segment(key)
)
"""Without a slash in front: the COS SDK drops one, so that ``/a`` and ``a`` are the same object to it."""

cos_headers_on_the_wire = strategies.without_padding
"""The COS SDK is given values without padding: it signs the padding, which no server receives."""


def cos_params_with_token(params: Pairs, token: str | None) -> dict[str, str]:
    """Return the parameters that make the COS SDK sign a token into a URL: it does not add its own."""
    return dict(params) | ({"x-cos-security-token": token} if token else {})


def cos_spaces_as_signed(url: str) -> str:
    """Return a URL of the COS SDK with the spaces of its query as it signed them.

    It signs ``%20`` and writes ``+``, which means a space only to a server that decodes forms.
    """
    return url.replace("+", "%20")


bos_places = st.sampled_from(sdk_bos.PLACES)
"""No IPv6 addresses: the BOS SDK drops their brackets."""

oss_places = st.sampled_from(sdk_oss.PLACES)
"""No IPv6 addresses: the OSS SDK takes them for a domain and puts the bucket in front."""

cos_places = st.sampled_from(sdk_cos.PLACES)
"""No ports: the COS SDK signs the host of a URL without its port, unlike every HTTP client sends it."""

cos_places_with_host_header = st.sampled_from(sdk_cos.PLACES + sdk_cos.PLACES_WITH_PORT)
"""Ports too, for requests with an explicit ``Host`` header: the COS SDK signs that one as it is."""
