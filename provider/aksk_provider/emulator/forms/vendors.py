"""Upload forms as each vendor takes them: fields, signature, and how it says no.

Refusals are in the words of the vendors' pages; those of BOS are its general codes, since its page on forms was not
found to list any.
"""

from __future__ import annotations

import hashlib
import hmac
from abc import ABC, abstractmethod
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from typing import ClassVar
from urllib.parse import quote

from aksk_provider.emulator.forms.policy import Condition, Policy
from aksk_provider.emulator.model import Account, Bucket, Refused
from aksk_provider.emulator.objects import StoredObject
from aksk_provider.emulator.verify.common import MAX_SKEW, check_token, find_account, same
from aksk_provider.signing import oss

FILENAME = "${filename}"


class FormDialect(ABC):
    """One vendor's forms."""

    #: fields that a signed form must have, and the token
    signature_fields: ClassVar[tuple[str, ...]]
    token: ClassVar[str]
    #: names that its policy must have conditions on
    required: ClassVar[tuple[str, ...]] = ()
    status = "success_action_status"
    redirect = "success_action_redirect"
    replaces_filename = True
    checks_final_key = False

    def check_fields(self, fields: Mapping[str, str]) -> None:
        """Refuse a form without a signature, or with half of one."""
        missing = [name for name in self.signature_fields if not fields.get(name)]
        if len(missing) == len(self.signature_fields):
            raise Refused("AccessDenied", "Anonymous access is forbidden for this operation.")
        if missing:
            raise Refused("InvalidArgument", f"The form misses {', '.join(missing)}.")

    def check(self, fields: Mapping[str, str], policy: Policy, accounts: Mapping[str, Account], now: datetime) -> None:
        """Refuse a wrong signature, a wrong token and a policy that has expired."""
        account = find_account(self.access_key(fields), accounts)
        self.check_signature(fields, policy, account, now)
        check_token(account, fields.get(self.token), now)
        if not set(self.required) <= policy.names():
            raise Refused("InvalidPolicyDocument")
        if now >= policy.expiration:
            raise self.expired(policy, now)

    def check_conditions(self, policy: Policy, fields: Mapping[str, str], bucket: Bucket) -> None:
        """Refuse a form that does not keep to its policy."""
        given = {**fields, "bucket": bucket.name}
        for condition in policy.conditions:
            if not self.holds(condition, given.get(condition.name)):
                raise self.failed(condition)

    def holds(self, condition: Condition, given: str | None) -> bool:
        """Tell whether a field keeps to a condition."""
        return condition.holds(given)

    def content_type(self, fields: Mapping[str, str], _told_with_file: str | None) -> str | None:
        """Return the content type that the object gets."""
        return fields.get("content-type")

    @abstractmethod
    def access_key(self, fields: Mapping[str, str]) -> str:
        """Return who signed."""

    @abstractmethod
    def check_signature(self, fields: Mapping[str, str], policy: Policy, account: Account, now: datetime) -> None:
        """Refuse a wrong signature."""

    @abstractmethod
    def expired(self, policy: Policy, now: datetime) -> Refused:
        """Return the refusal of a policy that has expired."""

    @abstractmethod
    def failed(self, condition: Condition) -> Refused:
        """Return the refusal of a form that does not keep to a condition."""

    def size_refused(self, policy: Policy, size: int) -> Refused:
        """Return the refusal of a file that is too large or too small."""
        small, large = policy.sizes or (0, 0)
        details = {"MinSizeAllowed": str(small)} if size < small else {"MaxSizeAllowed": str(large)}
        return Refused("EntityTooSmall" if size < small else "EntityTooLarge", ProposedSize=str(size), **details)

    def location(self, url: str, _stored: StoredObject, _bucket: Bucket) -> str:
        """Return where a browser is sent to after a successful upload."""
        return url


class BosForms(FormDialect):
    """Baidu BOS: ``*`` at the end of a key's condition stands for any end."""

    signature_fields = ("accesskey", "policy", "signature")
    token = "x-bce-security-token"
    status = "success-action-status"
    redirect = "success-redirect-url"
    replaces_filename = False

    def access_key(self, fields: Mapping[str, str]) -> str:
        """Return who signed."""
        return fields["accesskey"]

    def check_signature(self, fields: Mapping[str, str], _policy: Policy, account: Account, _now: datetime) -> None:
        """Compare the HMAC-SHA256 of the encoded policy under the secret key."""
        computed = hmac.new(account.secret_key.encode(), fields["policy"].encode(), hashlib.sha256).hexdigest()
        if not same(computed, fields["signature"]):
            raise Refused("SignatureDoesNotMatch")

    def holds(self, condition: Condition, given: str | None) -> bool:
        """Tell whether a field keeps to a condition."""
        if condition.name == "key" and str(condition.value).endswith("*"):
            return given is not None and given.startswith(str(condition.value)[:-1])
        return super().holds(condition, given)

    def expired(self, policy: Policy, _now: datetime) -> Refused:
        """Return the refusal of a policy that has expired."""
        return Refused("RequestExpired", f"The policy expired at {policy.expiration:%Y-%m-%dT%H:%M:%SZ}.")

    def failed(self, condition: Condition) -> Refused:
        """Return the refusal of a form that does not keep to a condition."""
        return Refused("AccessDenied", f"The form does not keep to the policy: {condition}")


class OssForms(FormDialect):
    """Alibaba OSS, version 4; fields that the policy does not name are not looked at."""

    signature_fields = (
        "policy", "x-oss-signature-version", "x-oss-credential", "x-oss-date", "x-oss-signature",
    )  # fmt: skip
    token = oss.TOKEN
    required = ("x-oss-signature-version", "x-oss-credential", "x-oss-date")

    def access_key(self, fields: Mapping[str, str]) -> str:
        """Return who signed."""
        return fields["x-oss-credential"].partition("/")[0]

    def check_signature(self, fields: Mapping[str, str], _policy: Policy, account: Account, now: datetime) -> None:
        """Compare the HMAC-SHA256 of the encoded policy under the key of day and region."""
        scope = fields["x-oss-credential"].partition("/")[2]
        if not scope.endswith("/oss/aliyun_v4_request") or fields["x-oss-signature-version"] != oss.ALGORITHM:
            raise Refused("InvalidArgument", "x-oss-credential or x-oss-signature-version is not valid.")
        try:
            start = datetime.strptime(fields["x-oss-date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=timezone.utc)
        except ValueError as error:
            raise Refused("InvalidArgument", "x-oss-date is not valid.") from error
        if f"{start:%Y%m%d}" != scope[:8] or not start - MAX_SKEW <= now <= start + timedelta(days=7):
            raise Refused("AccessDenied", "Invalid according to Policy: x-oss-date is out of range.")
        if not same(oss.signature(account.secret_key, scope, fields["policy"]), fields["x-oss-signature"]):
            details = {"SignatureProvided": fields["x-oss-signature"], "StringToSign": fields["policy"]}
            raise Refused("SignatureDoesNotMatch", OSSAccessKeyId=account.access_key, **details)

    def content_type(self, fields: Mapping[str, str], told_with_file: str | None) -> str | None:
        """Return the vendor's own field, else what came with the file, else the plain field."""
        return fields.get("x-oss-content-type") or told_with_file or fields.get("content-type")

    def expired(self, _policy: Policy, _now: datetime) -> Refused:
        """Return the refusal of a policy that has expired."""
        return Refused("AccessDenied", "Invalid according to Policy: Policy expired.")

    def failed(self, condition: Condition) -> Refused:
        """Return the refusal of a form that does not keep to a condition."""
        return Refused("AccessDenied", f"Invalid according to Policy: Policy Condition failed: {condition}")


class CosForms(FormDialect):
    """Tencent COS; the policy's ``q-sign-time`` is the form's ``q-key-time``."""

    signature_fields = ("policy", "q-sign-algorithm", "q-ak", "q-key-time", "q-signature")
    token = "x-cos-security-token"
    required = ("q-sign-algorithm", "q-ak", "q-sign-time")
    checks_final_key = True

    def access_key(self, fields: Mapping[str, str]) -> str:
        """Return who signed."""
        return fields["q-ak"]

    def check_signature(self, fields: Mapping[str, str], policy: Policy, account: Account, now: datetime) -> None:
        """Compare the HMAC-SHA1 of the policy's SHA1 under the key of the time."""
        key_time = fields["q-key-time"]
        sign_key = hmac.new(account.secret_key.encode(), key_time.encode(), hashlib.sha1).hexdigest()
        digest = hashlib.sha1(policy.text.encode(), usedforsecurity=False).hexdigest()
        computed = hmac.new(sign_key.encode(), digest.encode(), hashlib.sha1).hexdigest()
        if not same(computed, fields["q-signature"]):
            raise Refused("SignatureDoesNotMatch", "The Signature you specified is invalid.")
        start, _, end = key_time.partition(";")
        if not (start.isdecimal() and end.isdecimal()) or now.timestamp() < int(start):
            raise Refused("AccessDenied", "Request is not valid yet.")
        if now.timestamp() >= int(end):
            raise self.expired(policy, now)

    def check_conditions(self, policy: Policy, fields: Mapping[str, str], bucket: Bucket) -> None:
        """Refuse a form that does not keep to its policy."""
        super().check_conditions(policy, {**fields, "q-sign-time": fields["q-key-time"]}, bucket)

    def expired(self, policy: Policy, now: datetime) -> Refused:
        """Return the refusal of a policy that has expired."""
        until, at = int(policy.expiration.timestamp()), int(now.timestamp())
        told = f"You post object request has been expired, expiration time: {until} but the time now : {at}"
        return Refused("AccessDenied", told)

    def failed(self, condition: Condition) -> Refused:
        """Return the refusal of a form that does not keep to a condition."""
        return Refused("AccessDenied", f"Condition key {condition.name} doesn't match the value {condition.value}")

    def size_refused(self, policy: Policy, size: int) -> Refused:
        """Return the refusal of a file that is too large or too small."""
        refused = super().size_refused(policy, size)
        return Refused(refused.code, "Condition key content-length-range doesn't match the value")

    def location(self, url: str, stored: StoredObject, bucket: Bucket) -> str:
        """Return the URL with bucket, key and entity tag."""
        told = {"bucket": bucket.name, "key": stored.key, "etag": f'"{stored.etag}"'}
        query = "&".join(f"{name}={quote(value, safe='')}" for name, value in told.items())
        return f"{url}{'&' if '?' in url else '?'}{query}"


FORMS: Mapping[str, FormDialect] = {"bos": BosForms(), "oss": OssForms(), "cos": CosForms()}
