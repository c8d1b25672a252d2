"""Native request signers of the three vendors: pure functions of a request, credentials and a time."""

from aksk_provider.signing.bos import BosSigner
from aksk_provider.signing.cos import CosSigner
from aksk_provider.signing.model import Credentials, PresignedURL, Request, Signer
from aksk_provider.signing.oss import OssSigner
from aksk_provider.signing.oss_v1 import OssV1Signer

__all__ = ["BosSigner", "CosSigner", "Credentials", "OssSigner", "OssV1Signer", "PresignedURL", "Request", "Signer"]
