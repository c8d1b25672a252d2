"""What the hook hands out for others to use: links, signatures, forms and tickets."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseHook

if TYPE_CHECKING:
    from aksk_provider.signing import PresignedURL, Request
    from aksk_provider.signing.forms import PostForm
    from aksk_provider.storage import ObjectStore
    from aksk_provider.storage.presigning.bulk import Link, Manifest


class PresigningHook(BaseHook):
    """The part of :class:`~aksk_provider.hooks.object_storage.ObjectStorageHook` that signs for others."""

    def __init__(self) -> None:
        super().__init__()
        self._warned: set[str] = set()

    @property
    def store(self) -> ObjectStore:
        """The store that a hook opens."""
        raise NotImplementedError

    def presign(
        self,
        key: str,
        bucket: str | None = None,
        *,
        method: str = "GET",
        expires_in: timedelta | None = None,
        expires_at: datetime | None = None,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        version_id: str | None = None,
        filename: str | None = None,
        response_content_type: str | None = None,
        response_content_disposition: str | None = None,
        response_content_language: str | None = None,
        response_content_encoding: str | None = None,
        response_cache_control: str | None = None,
        response_expires: str | None = None,
        content_type: str | None = None,
        content_length: int | str | None = None,
        content_md5: str | None = None,
        endpoint: str | None = None,
        clamp: bool = False,
    ) -> PresignedURL:
        """Return a URL that anyone can use until it expires; nothing is sent.

        What may keep it from working stands in its ``warnings`` and, once for each, in the log.

        :param method: the one HTTP method it is good for
        :param expires_in: lifetime; by default the vendor's: BOS 30, OSS 15, COS 5 minutes
        :param expires_at: end of the lifetime, aware; wins over ``expires_in``
        :param headers: headers to sign, which the user of the URL must then send
        :param params: query parameters to sign, e.g. ``{"x-oss-process": "image/resize,w_100"}``
        :param filename: name under which a browser saves the download, in any script; ``response_*`` set headers of
            the answer to a GET
        :param content_type: the only type that may be uploaded; ``content_length`` (bytes) and ``content_md5``
            (base64 or hex) fix the body as well
        :param endpoint: host to sign for, by default the connection's ``public_endpoint``, or else its endpoint
        :param clamp: shorten a lifetime that the vendor or the token does not allow, with a warning, not refuse it
        """
        link = self.store.presign(
            key,
            bucket,
            method=method,
            expires_in=expires_in,
            expires_at=expires_at,
            headers=headers,
            params=params,
            version_id=version_id,
            filename=filename,
            response_content_type=response_content_type,
            response_content_disposition=response_content_disposition,
            response_content_language=response_content_language,
            response_content_encoding=response_content_encoding,
            response_cache_control=response_cache_control,
            response_expires=response_expires,
            content_type=content_type,
            content_length=content_length,
            content_md5=content_md5,
            endpoint=endpoint,
            clamp=clamp,
        )
        if link.warnings:
            self._warn(link.warnings)
        return link

    def presign_many(self, keys: Iterable[str], bucket: str | None = None, **options: Any) -> Iterator[Link]:
        """Yield the link of each key, in order, signed when it is asked for.

        :param options: those of :meth:`presign`, without ``version_id``, which is of one object
        """
        from aksk_provider.storage.presigning.bulk import presign_many

        return presign_many(self.store, keys, bucket, **options)

    def write_manifest(
        self,
        target: str | os.PathLike[str],
        keys: Iterable[str] | None = None,
        bucket: str | None = None,
        **options: Any,
    ) -> Manifest:
        """Write a link for each key to a CSV or JSON lines file, or object, which appears when it is whole.

        :param target: path of the file, or URI of the object; its ending says the format
        :param keys: keys or URIs; instead of these, options ``prefix`` or ``key_file`` say where they are
        :param options: of :meth:`presign_many`, and of :func:`~aksk_provider.storage.presigning.bulk.write_manifest`
        """
        from aksk_provider.storage.presigning.bulk import write_manifest

        manifest = write_manifest(self.store, target, keys, bucket, **options)
        self.log.info("wrote %d links to %s", manifest.count, manifest.place)
        return manifest

    def sign(
        self,
        method: str,
        key: str | None,
        bucket: str | None = None,
        *,
        expires_in: timedelta | None = None,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
    ) -> Request:
        """Return a request whose headers are signed, for a client that sends it itself.

        :param key: key or URI; ``None`` for a request to the bucket, such as a listing
        """
        return self.store.sign(method, key, bucket, expires_in=expires_in, headers=headers, params=params)

    def authorization(
        self,
        method: str,
        key: str | None,
        bucket: str | None = None,
        *,
        expires_in: timedelta | None = None,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
    ) -> str:
        """Return the signature alone, the value of ``Authorization``, as COS's ``get_auth`` does.

        The client must send the other signed headers too: the token of temporary keys, and for OSS ``x-oss-date`` and
        ``x-oss-content-sha256``. :meth:`sign` returns them all.
        """
        signed = self.sign(method, key, bucket, expires_in=expires_in, headers=headers, params=params)
        return signed.headers["Authorization"]

    def form_ticket(self, key: str | None = None, bucket: str | None = None, **rules: Any) -> PostForm:
        """Return a signed form by which anyone can upload one file of up to 5 GiB; nothing is sent.

        :param key: the key that the file gets; or give ``key_prefix``
        :param rules: those of :func:`~aksk_provider.storage.presigning.tickets.form_ticket`
        """
        from aksk_provider.storage.presigning.tickets import form_ticket

        return form_ticket(self.store, key, bucket, **rules)

    def multipart_ticket(
        self, key: str, bucket: str | None = None, *, size: int, part_size: int | None = None, **options: Any
    ) -> dict[str, Any]:
        """Begin an upload in parts and return a JSON document by which anyone can fill and complete it.

        :param size: size of the whole file in bytes
        :param options: those of :func:`~aksk_provider.storage.presigning.tickets.multipart_ticket`
        """
        from aksk_provider.storage.presigning.tickets import multipart_ticket

        return multipart_ticket(self.store, key, bucket, size=size, part_size=part_size, **options)

    def _warn(self, warnings: Sequence[str]) -> None:
        for warning in warnings:
            if warning not in self._warned:
                self._warned.add(warning)
                self.log.warning("presigned link: %s", warning)
