"""HTML forms that upload a file: the three vendors' POST policies, signed.

A form sends ``multipart/form-data`` to the bucket. Its policy says until when and under which conditions the store
takes it; the policy is what is signed, so a form can be handed out before the file exists.

Sources: Alibaba Cloud OSS, "PostObject" and "POST V4 signature" (its Python SDK has a sample, no function); Tencent
Cloud COS, "POST Object" (no SDK has it); Baidu AI Cloud BOS, "PostObject". The page of BOS shows fields and the
conditions ``bucket``, ``key`` (with ``*`` at its end for a prefix) and ``content-length-range``; how the signature is
made is read from the vendor's own uploader (``bce-bos-uploader``): the hexadecimal HMAC-SHA256 of the encoded policy
under the secret key itself. That a temporary key sends its token as ``x-bce-security-token``, as everywhere else at
BOS, is written in neither.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from aksk_provider.errors import InvalidRequestError
from aksk_provider.signing import bos, cos, encoding, oss
from aksk_provider.signing.model import Credentials

#: Largest file a form uploads, in bytes; the same for the three vendors.
MAX_SIZE = 5 * 1024**3
DEFAULT_LIFETIME = timedelta(hours=1)
FILENAME = "${filename}"
_STATUSES = (200, 201, 204)
_SECRET = frozenset({"policy", "signature", "x-oss-signature", "q-signature", bos.TOKEN, oss.TOKEN, cos.TOKEN})


@dataclass(frozen=True, slots=True)
class FormRules:
    """What an upload form allows.

    :param bucket: bucket
    :param key: key, or with ``key_is_prefix`` what it starts with
    :param min_size: smallest file in bytes
    :param max_size: largest file in bytes, at most 5 GiB
    :param content_type: ``Content-Type`` of the object, or with ``content_type_is_prefix`` what it starts with
    :param fields: further fields with exact values, such as the vendor's headers for metadata
    :param success_status: status of a successful answer: 200, 201 or 204
    :param success_redirect: URL that the browser goes to after a successful upload; wins over the status
    """

    bucket: str
    key: str
    key_is_prefix: bool = False
    min_size: int = 0
    max_size: int = MAX_SIZE
    content_type: str | None = None
    content_type_is_prefix: bool = False
    fields: Mapping[str, str] = field(default_factory=dict)
    success_status: int | None = None
    success_redirect: str | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.min_size <= self.max_size <= MAX_SIZE:
            raise InvalidRequestError(
                f"a form takes files of 0 to {MAX_SIZE} bytes, not of {self.min_size} to {self.max_size}"
            )
        if self.success_status not in (None, *_STATUSES):
            raise InvalidRequestError(f"success_status must be 200, 201 or 204, not {self.success_status}")
        if self.success_redirect is not None:
            encoding.split_url(self.success_redirect)
        encoding.checked_headers(self.fields)
        encoding.checked_headers({"Content-Type": self.content_type or ""})


@dataclass(frozen=True, slots=True)
class PostForm:
    """A signed upload form. Whoever has it can upload until it expires.

    :param url: where to send it, by POST as ``multipart/form-data``
    :param fields: the fields to send as they are, in this order; the file comes last, as ``file``
    :param expires_at: when the store stops taking it: the earlier of the policy's and the credentials' end
    :param to_fill: further fields that the sender has to fill in, each with what its value must start with
    :param not_enforced: names of fields that the sender may change, since the vendor's policy cannot name them
    """

    url: str
    fields: Mapping[str, str] = field(repr=False)
    expires_at: datetime
    to_fill: Mapping[str, str] = field(default_factory=dict)
    not_enforced: tuple[str, ...] = ()

    @property
    def secrets(self) -> list[str]:
        """The values that must not be seen: policy, signature and token."""
        return [value for name, value in self.fields.items() if name in _SECRET]


#: Of (rules, credentials, form URL, region, now, lifetime): the signed form.
FormSigner = Callable[[FormRules, Credentials, str, str | None, datetime, timedelta], PostForm]


def bos_signature(secret_key: str, policy: str) -> str:
    """Return ``hex(HMAC-SHA256(secret key, base64 policy))``."""
    return encoding.hmac_hex(secret_key, policy, "sha256")


def cos_signature(secret_key: str, key_time: str, policy: str) -> str:
    """Return ``hex(HMAC-SHA1(hex(HMAC-SHA1(secret key, KeyTime)), hex(SHA1(policy text))))``.

    :param policy: the policy as text, before it is encoded
    """
    digest = hashlib.sha1(policy.encode(), usedforsecurity=False).hexdigest()
    return encoding.hmac_hex(encoding.hmac_hex(secret_key, key_time, "sha1"), digest, "sha1")


def bos_form(
    rules: FormRules, credentials: Credentials, url: str, _region: str | None, now: datetime, expires_in: timedelta
) -> PostForm:
    """Sign a form for Baidu BOS, whose policy holds bucket, key and size; all other fields are free."""
    if rules.key.endswith("*"):
        raise InvalidRequestError(f"key {rules.key!r}: '*' at the end stands for any key in a policy of BOS")
    if rules.content_type_is_prefix:
        raise InvalidRequestError("a policy of BOS cannot tell what a Content-Type starts with: give the whole type")
    expires_at = encoding.expiry(now, expires_in, credentials)
    conditions = [{"bucket": rules.bucket}, {"key": f"{rules.key}*" if rules.key_is_prefix else rules.key}]
    policy = _policy(f"{encoding.utc(expires_at):%Y-%m-%dT%H:%M:%SZ}", [*conditions, _size(rules)])
    free = _free_fields(rules, content_type="Content-Type", status="success-action-status", to="success-redirect-url")
    encoded = _base64(policy)
    fields = {} if rules.key_is_prefix else {"key": rules.key}
    fields |= free | {
        "accessKey": credentials.access_key,
        "policy": encoded,
        "signature": bos_signature(credentials.secret_key, encoded),
    }
    if credentials.token:
        fields[bos.TOKEN] = credentials.token
    return PostForm(url, fields, expires_at, {"key": rules.key} if rules.key_is_prefix else {}, tuple(free))


def oss_form(
    rules: FormRules, credentials: Credentials, url: str, region: str | None, now: datetime, expires_in: timedelta
) -> PostForm:
    """Sign a form for Alibaba OSS with version 4.

    The content type goes into ``x-oss-content-type``: a browser tells a type with the file, and only this field wins
    over that.
    """
    if not region:
        raise InvalidRequestError("region is missing: OSS signatures name it; set the region, e.g. cn-hangzhou")
    if expires_in > oss.MAX_LIFETIME:
        raise InvalidRequestError(f"an OSS form lives at most {oss.MAX_LIFETIME}, not {expires_in}")
    if "$" in "".join([rules.key, rules.content_type or "", rules.success_redirect or "", *rules.fields.values()]):
        raise InvalidRequestError("OSS reads '$' in a policy as the start of a variable: choose values without it")
    expires_at = encoding.expiry(now, expires_in, credentials)
    start = encoding.utc(now)
    scope = f"{start:%Y%m%d}/{region}/oss/aliyun_v4_request"
    signing = {
        "x-oss-signature-version": oss.ALGORITHM,
        "x-oss-credential": f"{credentials.access_key}/{scope}",
        "x-oss-date": f"{start:%Y%m%dT%H%M%SZ}",
    }
    if credentials.token:
        signing[oss.TOKEN] = credentials.token
    free = _free_fields(rules, "x-oss-content-type", "success_action_status", "success_action_redirect")
    conditions = [{"bucket": rules.bucket}, *({name: value} for name, value in signing.items()), _key(rules)]
    conditions += [_size(rules), *(["eq", f"${name.lower()}", value] for name, value in free.items())]
    conditions += _type_prefix(rules, "x-oss-content-type")
    encoded = _base64(_policy(f"{encoding.utc(expires_at):%Y-%m-%dT%H:%M:%S.000Z}", conditions))
    signature = oss.signature(credentials.secret_key, scope, encoded)
    fields = {"key": _key_field(rules)} | free | {"policy": encoded} | signing | {"x-oss-signature": signature}
    return PostForm(url, fields, expires_at, _to_fill(rules, "x-oss-content-type"))


def cos_form(
    rules: FormRules, credentials: Credentials, url: str, _region: str | None, now: datetime, expires_in: timedelta
) -> PostForm:
    """Sign a form for Tencent COS; its start lies 60 seconds back, like that of every COS signature here."""
    if FILENAME in rules.key:
        raise InvalidRequestError(f"key {rules.key!r}: COS replaces {FILENAME} by the name of the file")
    expires_at = encoding.expiry(now, expires_in, credentials)
    start = int((encoding.utc(now) - cos.BACK_DATED).timestamp())
    key_time = f"{start};{int(expires_at.timestamp())}"
    free = _free_fields(rules, "Content-Type", "success_action_status", "success_action_redirect")
    conditions = [{"bucket": rules.bucket}, _key(rules), _size(rules)]
    conditions += [["eq", f"${name}", value] for name, value in free.items()]
    conditions += _type_prefix(rules, "Content-Type")
    conditions += [{"q-sign-algorithm": "sha1"}, {"q-ak": credentials.access_key}, {"q-sign-time": key_time}]
    policy = _policy(f"{encoding.utc(expires_at):%Y-%m-%dT%H:%M:%S.000Z}", conditions)
    fields = {"key": _key_field(rules)} | free
    fields |= {"policy": _base64(policy), "q-sign-algorithm": "sha1", "q-ak": credentials.access_key}
    fields |= {"q-key-time": key_time, "q-signature": cos_signature(credentials.secret_key, key_time, policy)}
    if credentials.token:
        fields[cos.TOKEN] = credentials.token
    return PostForm(url, fields, expires_at, _to_fill(rules, "Content-Type"))


def _policy(expiration: str, conditions: list[Any]) -> str:
    return json.dumps({"expiration": expiration, "conditions": conditions})


def _base64(policy: str) -> str:
    return base64.b64encode(policy.encode()).decode()


def _key(rules: FormRules) -> list[str]:
    return ["starts-with" if rules.key_is_prefix else "eq", "$key", rules.key]


def _key_field(rules: FormRules) -> str:
    # Both stores put the name of the sender's file in its place, which needs no script in the page.
    return f"{rules.key}{FILENAME}" if rules.key_is_prefix else rules.key


def _size(rules: FormRules) -> list[Any]:
    return ["content-length-range", rules.min_size, rules.max_size]


def _free_fields(rules: FormRules, content_type: str, status: str, to: str) -> dict[str, str]:
    """Return the fields with exact values, under the vendor's names."""
    fields = dict(rules.fields)
    if rules.content_type and not rules.content_type_is_prefix:
        fields[content_type] = rules.content_type
    if rules.success_redirect:
        fields[to] = rules.success_redirect
    elif rules.success_status:
        fields[status] = str(rules.success_status)
    return fields


def _type_prefix(rules: FormRules, name: str) -> list[list[str]]:
    return [["starts-with", f"${name}", prefix] for name, prefix in _to_fill(rules, name).items()]


def _to_fill(rules: FormRules, name: str) -> dict[str, str]:
    return {name: rules.content_type} if rules.content_type and rules.content_type_is_prefix else {}
