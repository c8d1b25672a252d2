"""Make the stages of every vectors/*/*/request.json with the vendors' SDKs: ``python -m tests.signing.make_vectors``.

Where the vendor has published the signature, in a document or in the tests of an SDK, it stands in ``published`` and
the SDK has to agree. A request with ``by_hand`` comes from a document whose request the SDK cannot sign.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from baidubce import utils

from aksk_provider.signing import Credentials
from tests.signing import sdk_bos, sdk_cos, sdk_oss
from tests.signing.strategies import without_padding

VECTORS = Path(__file__).parent / "vectors"


@dataclass(frozen=True, slots=True)
class Vector:
    """One folder of vectors/."""

    folder: Path
    request: dict[str, Any]

    @property
    def name(self) -> str:
        return f"{self.folder.parent.name}/{self.folder.name}"

    @property
    def vendor(self) -> str:
        return self.folder.parent.name

    @property
    def in_header(self) -> bool:
        return bool(self.request["form"] == "header")

    @property
    def signer(self) -> dict[str, Any]:
        options: dict[str, Any] = self.request["signer"]
        return options

    @property
    def credentials(self) -> Credentials:
        return Credentials(**self.request["credentials"])

    @property
    def now(self) -> datetime:
        return datetime.fromisoformat(self.request["now"])

    def text(self, stage: str) -> str:
        return (self.folder / f"{stage}.txt").read_bytes().decode()

    def signed(self) -> dict[str, Any]:
        signed: dict[str, Any] = json.loads((self.folder / "signed.json").read_text(encoding="utf-8"))
        return signed


@dataclass(frozen=True, slots=True)
class Stages:
    """What is in the other files of a folder."""

    canonical_request: str
    string_to_sign: str
    signed: dict[str, Any]


def vectors(vendor: str = "*") -> Iterator[Vector]:
    """Read the requests of all folders, or of one vendor's."""
    for path in sorted(VECTORS.glob(f"{vendor}/*/request.json")):
        yield Vector(path.parent, json.loads(path.read_text(encoding="utf-8")))


def make(vector: Vector) -> Stages:
    """Return what the vendor's SDK makes of the request."""
    stages = {"bos": _bos, "oss": _oss, "cos": _cos}[vector.vendor](vector)
    published = vector.request.get("published", stages.signed["signature"])
    assert stages.signed["signature"] == published, f"{vector.name}: the SDK does not make the published signature"
    return stages


def _bos(vector: Vector) -> Stages:
    method, path, params, headers = _parts(vector)
    token = {sdk_bos.TOKEN: vector.credentials.token} if vector.credentials.token else {}
    if vector.in_header:
        headers |= token
    else:
        params += token.items()
    names = sdk_bos.names_to_sign(headers, vector.signer.get("signed_headers"))
    seconds = vector.request["expires_in"]
    with sdk_bos.recorded() as messages:
        authorization = sdk_bos.sign(method, path, params, headers, names, vector.credentials, vector.now, seconds)
    signed: dict[str, Any] = {"signature": authorization.rpartition("/")[2]}
    if vector.in_header:
        signed["headers"] = {"Authorization": authorization} | token
    else:
        query = sdk_bos.Pairs([*params, ("authorization", authorization)])
        base = vector.request["url"].partition("?")[0]
        signed["url"] = f"{base}?{utils.get_canonical_querystring(query, False).decode()}"
    return Stages(messages[1], messages[0], signed)


def _oss(vector: Vector) -> Stages:
    method, path, params, headers = _parts(vector)
    bucket = vector.signer["bucket"]
    url = vector.request["url"].partition("?")[0]
    signer = sdk_oss.RecordingSigner()
    request, context = sdk_oss.signed_in_context(
        signer,
        method,
        url,
        path.removeprefix(f"/{bucket}")[1:] or None,
        params,
        headers,
        vector.credentials,
        vector.now,
        vector.signer.get("additional_headers", ()),
        None if vector.in_header else vector.request["expires_in"],
        product=vector.signer.get("product", "oss"),
        region=vector.signer["region"],
        bucket=bucket,
    )
    if vector.in_header:
        names = ("Authorization", "x-oss-date", "x-oss-content-sha256", sdk_oss.TOKEN)
        added = {name: request.headers[name] for name in names if name in request.headers}
        signed = {"signature": added["Authorization"].rpartition("=")[2], "headers": added}
    else:
        signed = {"signature": dict(parse_qsl(urlsplit(request.url).query))["x-oss-signature"], "url": request.url}
    return Stages(signer.canonical_request, context.string_to_sign, signed)


def _cos(vector: Vector) -> Stages:
    method, path, params, headers = _parts(vector)
    token = {sdk_cos.TOKEN: vector.credentials.token} if vector.credentials.token else {}
    listed = vector.signer.get("signed_headers")
    if listed is not None:
        headers = {name: value for name, value in headers.items() if name.lower() in listed}
    chosen = {name: value for name, value in params if name in vector.signer.get("signed_params", [name])}
    parts = urlsplit(vector.request["url"])
    place = sdk_cos.Place(f"{parts.scheme}://{parts.netloc}", {"Domain": parts.netloc, "Scheme": parts.scheme})
    arguments = (place, method, path[1:], chosen, headers, vector.credentials, vector.now, vector.request["expires_in"])
    (headers if vector.in_header else chosen).update(token)
    with sdk_cos.recorded() as messages:
        authorization = sdk_cos.sign(*arguments, sign_host=listed is None or "host" in listed)
    signed: dict[str, Any] = {"signature": authorization.rpartition("=")[2]}
    if vector.in_header:
        signed["headers"] = {"Authorization": authorization} | token
    else:
        signed["url"] = sdk_cos.presign(*arguments).replace("+", "%20")
    canonical, _, to_sign = messages
    return Stages(canonical, to_sign, signed)


def _parts(vector: Vector) -> tuple[str, str, list[tuple[str, str]], dict[str, str]]:
    """Return method, decoded path, decoded query and the headers as they reach the server, with ``Host``."""
    parts = urlsplit(vector.request["url"])
    headers = {"Host": parts.netloc} | without_padding(vector.request["headers"])
    params = parse_qsl(parts.query, keep_blank_values=True)
    return vector.request["method"], unquote(parts.path), params, headers


def main() -> None:
    """Write the stages of every request that an SDK can sign."""
    for vector in vectors():
        if vector.request.get("by_hand"):
            continue
        stages = make(vector)
        (vector.folder / "canonical_request.txt").write_bytes(stages.canonical_request.encode())
        (vector.folder / "string_to_sign.txt").write_bytes(stages.string_to_sign.encode())
        signed = json.dumps(stages.signed, indent=2, ensure_ascii=False)
        (vector.folder / "signed.json").write_text(signed + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
