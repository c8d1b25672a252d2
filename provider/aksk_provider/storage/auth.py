"""Signs a request of the requests library at the moment it is complete, so that what is signed is what is sent."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from requests import PreparedRequest
from requests.auth import AuthBase

from aksk_provider.signing import Request, Signer
from aksk_provider.storage.credentials import CredentialsProvider


class SignatureAuth(AuthBase):
    """Puts a signer's headers on a prepared request.

    :param signer: signs
    :param credentials: returns the credentials to use now
    :param clock: returns the time, aware
    """

    def __init__(self, signer: Signer, credentials: CredentialsProvider, clock: Callable[[], datetime]) -> None:
        self._signer = signer
        self._credentials = credentials
        self._clock = clock

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        """Sign the request as it will be sent."""
        headers = {name: str(value) for name, value in request.headers.items()}
        unsigned = Request(str(request.method), str(request.url), headers)
        signed = self._signer.sign(unsigned, self._credentials(), now=self._clock())
        request.headers.update(signed.headers)
        return request
