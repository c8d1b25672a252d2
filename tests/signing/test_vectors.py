"""Each stage of our signers gives what the vendors' documents and SDKs give, from files; see vectors/README.md."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import parse_qsl, urlsplit

import pytest

from aksk_provider.signing import BosSigner, CosSigner, OssSigner, Request, bos, cos, encoding, oss
from tests.signing.make_vectors import Vector, make, vectors
from tests.signing.strategies import target

pytestmark = pytest.mark.filterwarnings("ignore:datetime.datetime.utc:DeprecationWarning")

VECTORS = list(vectors())
every_vector = pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector.name)
SIGNERS: dict[str, Callable[..., BosSigner | OssSigner | CosSigner]] = {
    "bos": BosSigner,
    "oss": OssSigner,
    "cos": CosSigner,
}


@dataclass(frozen=True, slots=True)
class Finished:
    """The signed request of a vector without its signature, and the fields of the signature."""

    request: Request
    fields: dict[str, str]

    def listed(self, name: str) -> list[str]:
        return [entry for entry in self.fields.get(name, "").split(";") if entry]


def lifetime(vector: Vector) -> timedelta:
    return timedelta(seconds=vector.request["expires_in"])


def unsigned(vector: Vector) -> Request:
    return Request(vector.request["method"], vector.request["url"], vector.request["headers"])


def finished(vector: Vector) -> Finished:
    """Read what the vendor signed back from signed.json."""
    signed = vector.signed()
    url = signed.get("url", vector.request["url"])
    query = dict(parse_qsl(urlsplit(url).query, keep_blank_values=True))
    headers = {"Host": urlsplit(url).netloc} | vector.request["headers"] | signed.get("headers", {})
    authorization = headers.pop("Authorization", "")
    if vector.vendor == "bos":
        fields = {"names": (authorization or query["authorization"]).split("/")[4]}
    elif vector.vendor == "oss":
        pairs = authorization.partition(" ")[2].split(",") if authorization else []
        fields = dict(pair.split("=", 1) for pair in pairs) or {
            "AdditionalHeaders": query.get("x-oss-additional-headers", "")
        }
        url = encoding.without_query(url, ["x-oss-signature"])
    else:
        fields = dict(pair.split("=", 1) for pair in authorization.split("&")) if authorization else query
        url = encoding.without_query(url, [name for name in query if name.startswith("q-")])
    return Finished(Request(vector.request["method"], url, headers), fields)


def scope(vector: Vector) -> str:
    product = vector.signer.get("product", "oss")
    return f"{vector.now:%Y%m%d}/{vector.signer['region']}/{product}/aliyun_v4_request"


def key_time(vector: Vector) -> str:
    start = int(vector.now.timestamp())
    return f"{start - 60};{start + vector.request['expires_in']}"


@every_vector
def test_the_canonical_request_is_the_vendors(vector: Vector) -> None:
    it = finished(vector)
    if vector.vendor == "bos":
        ours = bos.canonical_request(it.request, it.listed("names"))
    elif vector.vendor == "oss":
        resource = OssSigner(**vector.signer).resource(it.request.url)
        ours = oss.canonical_request(it.request, resource, it.listed("AdditionalHeaders"))
    else:
        headers = cos.header_pairs(it.request, lambda name: name in it.listed("q-header-list"))
        encoded = [name.lower() for name in it.listed("q-url-param-list")]
        ours = cos.canonical_request(it.request, headers, cos.param_pairs(it.request, lambda name: name in encoded))
    assert ours == vector.text("canonical_request")


@every_vector
def test_the_string_to_sign_is_the_vendors(vector: Vector) -> None:
    canonical = vector.text("canonical_request")
    if vector.vendor == "bos":
        ours = bos.auth_prefix(vector.credentials.access_key, vector.now, lifetime(vector))
    elif vector.vendor == "oss":
        ours = oss.string_to_sign(canonical, f"{vector.now:%Y%m%dT%H%M%SZ}", scope(vector))
    else:
        ours = cos.string_to_sign(canonical, key_time(vector))
    assert ours == vector.text("string_to_sign")


@every_vector
def test_the_signature_is_the_vendors(vector: Vector) -> None:
    secret, to_sign = vector.credentials.secret_key, vector.text("string_to_sign")
    if vector.vendor == "bos":
        ours = bos.signature(secret, to_sign, vector.text("canonical_request"))
    elif vector.vendor == "oss":
        ours = oss.signature(secret, scope(vector), to_sign)
    else:
        ours = cos.signature(secret, key_time(vector), to_sign)
    assert ours == vector.signed()["signature"] == vector.request.get("published", ours)


@every_vector
def test_the_finished_request_is_the_vendors(vector: Vector) -> None:
    signer = SIGNERS[vector.vendor](**vector.signer)
    arguments = {"now": vector.now, "expires_in": lifetime(vector)}
    signed = vector.signed()
    if not vector.in_header:
        presigned = signer.presign(unsigned(vector), vector.credentials, **arguments)
        assert target(presigned.url) == target(signed["url"])
        return
    ours = signer.sign(unsigned(vector), vector.credentials, **arguments)
    given = {"host", *(name.lower() for name in vector.request["headers"])}
    assert {name: value for name, value in ours.headers.items() if name.lower() not in given} == signed["headers"]
    assert ours.url == vector.request["url"]


@pytest.mark.parametrize(
    "vector",
    [vector for vector in VECTORS if not vector.request.get("by_hand")],
    ids=lambda vector: vector.name,
)
def test_the_files_are_what_the_installed_sdk_makes(vector: Vector) -> None:
    stages = make(vector)
    assert stages.canonical_request == vector.text("canonical_request")
    assert stages.string_to_sign == vector.text("string_to_sign")
    assert stages.signed == vector.signed()


@pytest.mark.parametrize("vendor", ["bos", "oss", "cos"])
def test_each_vendor_has_twelve_cases_and_a_published_signature(vendor: str) -> None:
    cases = list(vectors(vendor))
    assert len(cases) >= 12
    assert any("published" in case.request for case in cases)


def test_the_signature_in_alibabas_document_is_of_the_signing_key_that_it_prints() -> None:
    """The page's secret does not lead to that key, but its string to sign and its last step are these."""
    key = bytes.fromhex("3543b7686e65eda71e5e5ca19d548d78423c37e8ddba4dc9d83f90228b457c76")
    (vector,) = (vector for vector in VECTORS if vector.name == "oss/document-put")
    digest = hmac.digest(key, vector.text("string_to_sign").encode(), "sha256").hex()
    assert digest == "053edbf550ebd239b32a9cdfd93b0b2b3f2d223083aa61f75e9ac16856d61f23"


def test_tencents_documents_print_the_intermediate_signing_key() -> None:
    (vector,) = (vector for vector in VECTORS if vector.name == "cos/document-put")
    key = encoding.hmac_hex(vector.credentials.secret_key, key_time(vector), "sha1")
    assert key == "eb2519b498b02ac213cb1f3d1a3d27a3b3c9bc5f"


def test_baidus_document_prints_the_intermediate_signing_key() -> None:
    (vector,) = (vector for vector in VECTORS if vector.name == "bos/document-upload-part")
    key = encoding.hmac_hex(vector.credentials.secret_key, vector.text("string_to_sign"), "sha256")
    assert key == "1d5ce5f464064cbee060330d973218821825ac6952368a482a592e6615aef479"
