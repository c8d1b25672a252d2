"""What the emulator answers with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import BinaryIO


@dataclass(frozen=True, slots=True)
class Content:
    """Part of an open file, to be sent and closed."""

    file: BinaryIO
    offset: int
    length: int


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer: a body in memory, or the content of a file.

    :param length: what Content-Length says where that is not the length of the body, as for HEAD
    """

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    content: Content | None = None
    length: int | None = None

    @property
    def size(self) -> int:
        """What Content-Length says."""
        if self.length is not None:
            return self.length
        return self.content.length if self.content else len(self.body)


# Status and message of the errors, under the names that most of the vendors use.
ERRORS: Mapping[str, tuple[int, str]] = {
    "AccessDenied": (403, "Access Denied."),
    "AuthorizationQueryParametersError": (400, "The authorization parameters of the query are wrong."),
    "BadDigest": (400, "The digest you specified did not match what we received."),
    "DeletedKey": (404, "The specified key does not exist."),
    "EntityTooLarge": (400, "Your proposed upload exceeds the maximum allowed object size."),
    "EntityTooSmall": (400, "Your proposed upload is smaller than the minimum allowed object size."),
    "ExpiredToken": (403, "The security token you provided has expired."),
    "FileAlreadyExists": (409, "The object you specified already exists and can not be overwritten."),
    "InternalError": (500, "We encountered an internal error. Please try again."),
    "IncorrectNumberOfFilesInPOSTRequest": (400, "POST requires exactly one file upload per request."),
    "InvalidAccessKeyId": (403, "The Access Key Id you provided does not exist in our records."),
    "InvalidArgument": (400, "Invalid argument."),
    "InvalidAuthorization": (400, "The authorization is malformed."),
    "InvalidDigest": (400, "The Content-MD5 you specified is invalid."),
    "InvalidObjectName": (400, "The specified object is not valid."),
    "InvalidPart": (400, "One or more of the specified parts could not be found or its ETag does not match."),
    "InvalidPartOrder": (400, "The list of parts was not in ascending order."),
    "InvalidPolicyDocument": (400, "The content of the form does not meet the conditions specified in the policy."),
    "InvalidRange": (416, "The requested range cannot be satisfied."),
    "InvalidRequest": (400, "Invalid request."),
    "InvalidToken": (403, "The security token you provided is invalid."),
    "InvalidURI": (400, "Could not parse the specified URI."),
    "MalformedBody": (400, "The body you provided was not well-formed."),
    "MalformedPOSTRequest": (400, "The body of your POST request is not well-formed multipart/form-data."),
    "MethodNotAllowed": (405, "The specified method is not allowed against this resource."),
    "MissingContentLength": (411, "You must provide the Content-Length HTTP header."),
    "MissingContentMD5": (400, "Missing required header for this request: Content-MD5."),
    "MissingToken": (403, "The Access Key Id you provided does not exist in our records."),
    "NoSuchBucket": (404, "The specified bucket does not exist."),
    "NoSuchKey": (404, "The specified key does not exist."),
    "NoSuchUpload": (404, "The specified upload does not exist."),
    "NoSuchVersion": (404, "The specified version does not exist."),
    "NotImplemented": (501, "This emulator does not serve this operation."),
    "NotModified": (304, "Not modified."),
    "PreconditionFailed": (412, "At least one of the pre-conditions you specified did not hold."),
    "RequestExpired": (403, "Request has expired."),
    "RequestTimeTooSkewed": (403, "The difference between the request time and the current time is too large."),
    "SignatureDoesNotMatch": (403, "The request signature we calculated does not match the signature you provided."),
    "UnexpectedToken": (403, "The Access Key Id you provided does not exist in our records."),
    "UnknownVendor": (400, "Nothing in this request tells its vendor."),
    "VersionIsDeleteMarker": (405, "The specified version is a delete marker."),
}
