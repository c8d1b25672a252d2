"""Signs a request of the requests library at the moment it is complete, so that what is signed is what is sent."""

from __future__ import annotations

from datetime import datetime

from requests import PreparedRequest
from requests.auth import AuthBase

from aksk_provider.signing import Credentials, Request, Signer


class SignatureAuth(AuthBase):
    """Puts a signer's headers on a prepared request.

    :param signer: signs
    :param credentials: signs as
    :param now: time to sign with, aware
    """

    def __init__(self, signer: Signer, credentials: Credentials, now: datetime) -> None:
        self._signer = signer
        self._credentials = credentials
        self._now = now

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        """Sign the request as it will be sent."""
        headers = {name: str(value) for name, value in request.headers.items()}
        unsigned = Request(str(request.method), str(request.url), headers)
        signed = self._signer.sign(unsigned, self._credentials, now=self._now)
        request.headers.update(signed.headers)
        return request
