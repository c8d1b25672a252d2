"""The hook: an Airflow connection opened as an object store."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from functools import cached_property
from io import BufferedReader
from typing import TYPE_CHECKING, Any, BinaryIO

from aksk_provider.hooks.presigning import PresigningHook

if TYPE_CHECKING:
    from aksk_provider.signing import PresignedURL
    from aksk_provider.storage import DownloadResult, ObjectInfo, ObjectStore
    from aksk_provider.storage.presigning.recipes import Recipe
    from aksk_provider.storage.transfer import FileResult, ManyOptions, Source, TransferOptions


class ObjectStorageHook(PresigningHook):
    """Baidu BOS, Alibaba OSS or Tencent COS, as the connection says.

    The connection is read when it is first needed. A ``key`` may also be a URI such as ``oss://bucket/key``; then no
    bucket is given. Without a bucket the connection's default bucket is used. Every failure raises an
    :class:`~aksk_provider.errors.ObjectStorageError`; only a 404 means that an object is absent.

    :param aksk_conn_id: id of a connection of type ``aksk``
    """

    conn_name_attr = "aksk_conn_id"
    default_conn_name = "aksk_default"
    conn_type = "aksk"
    hook_name = "Object Storage (BOS / OSS / COS)"

    def __init__(self, aksk_conn_id: str = default_conn_name) -> None:
        super().__init__()
        self.aksk_conn_id = aksk_conn_id
        self._cancelled = threading.Event()

    @cached_property
    def store(self) -> ObjectStore:
        """The store itself, for what the hook does not wrap."""
        from aksk_provider.hooks.connection import store_config
        from aksk_provider.storage import ObjectStore

        return ObjectStore(store_config(self._read_connection(), self._read_connection))

    def cancel(self) -> None:
        """End running transfers soon, from another thread or a signal handler; what was moved is kept."""
        self._cancelled.set()

    def _read_connection(self) -> Any:
        return self.get_connection(self.aksk_conn_id)

    def get_conn(self) -> ObjectStore:
        """Return the store, as Airflow's hooks do."""
        return self.store

    def uri(self, key: str, bucket: str | None = None) -> str:
        """Return the URI (``oss://bucket/key``) that a key stands for."""
        return self.store.uri(key, bucket)

    def upload(
        self,
        source: Source,
        key: str,
        bucket: str | None = None,
        *,
        content_type: str | None = None,
        metadata: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        overwrite: bool = True,
        skip_equal: bool = False,
        options: TransferOptions | None = None,
    ) -> ObjectInfo:
        """Write a file to an object and compare checksums; a large one goes in parts, and continues after a failure.

        :param source: path, bytes, or a binary file object, read from where it stands
        :param content_type: by default guessed from the key's ending
        :param metadata: user metadata
        :param headers: further headers to send, e.g. ``Cache-Control``
        :param overwrite: ``False`` raises :class:`~aksk_provider.errors.ObjectExistsError` when the key exists
        :param skip_equal: send nothing when the source is a file and the object has its size and checksum
        :param options: part size, concurrency, deadline, progress
        """
        from aksk_provider.storage import transfer

        info = transfer.upload(
            self.store,
            source,
            key,
            bucket,
            content_type=content_type,
            metadata=metadata,
            headers=headers,
            overwrite=overwrite,
            skip_equal=skip_equal,
            options=options or transfer.TransferOptions(),
            cancelled=self._cancelled,
        )
        self.log.info("uploaded %s bytes to %s", info.size, info.uri)
        return info

    def download(
        self,
        key: str,
        target: str | os.PathLike[str] | BinaryIO,
        bucket: str | None = None,
        *,
        version_id: str | None = None,
        overwrite: bool = True,
        skip_equal: bool = False,
        checksum: str | None = None,
        options: TransferOptions | None = None,
    ) -> DownloadResult:
        """Write an object to a file, which appears only when it is whole and its checksum is right.

        A large object comes in ranges, each on condition that it is still the same, and continues after a failure.

        :param target: path of the file, whose missing folders are made; or a binary file object
        :param overwrite: ``False`` refuses a target that exists
        :param skip_equal: fetch nothing when the target is there with the object's size and checksum
        :param checksum: what the checksum must be, as a decimal number: CRC-64/XZ, for BOS CRC-32
        :param options: part size, concurrency, deadline, progress
        """
        from aksk_provider.storage import transfer

        result = transfer.download(
            self.store,
            key,
            target,
            bucket,
            version_id=version_id,
            overwrite=overwrite,
            skip_equal=skip_equal,
            checksum=checksum,
            options=options or transfer.TransferOptions(),
            cancelled=self._cancelled,
        )
        self.log.info("downloaded %s bytes from %s to %s", result.size, result.uri, result.path)
        return result

    def upload_many(
        self,
        source: str | os.PathLike[str] | Sequence[str],
        prefix: str,
        bucket: str | None = None,
        *,
        overwrite: bool = True,
        options: ManyOptions | None = None,
        **properties: Any,
    ) -> Sequence[FileResult]:
        """Write the files of a folder, glob or list under a prefix; one failure does not stop the rest.

        :param prefix: what every key starts with, e.g. ``exports/``, before the file's name below the folder
        :param options: workers, ``skip_equal``, ``dry_run``
        :param properties: ``content_type``, ``metadata``, ``headers`` of every object
        :raises TransfersFailedError: names the files that failed
        """
        from aksk_provider.storage import transfer

        return transfer.upload_many(
            self.store,
            transfer.find_sources(source),
            prefix,
            bucket,
            overwrite=overwrite,
            options=options or transfer.ManyOptions(),
            cancelled=self._cancelled,
            **properties,
        )

    def download_many(
        self,
        key: str | Sequence[str],
        folder: str | os.PathLike[str],
        bucket: str | None = None,
        *,
        overwrite: bool = True,
        options: ManyOptions | None = None,
    ) -> Sequence[FileResult]:
        """Write objects into a folder under their names below the prefix; one failure does not stop the rest.

        :param key: prefix (``exports/``), wildcard, key, or a list of them
        :param options: workers, ``skip_equal``, ``dry_run``
        :raises InvalidRequestError: a key would lead out of the folder; nothing was moved
        :raises TransfersFailedError: names the objects that failed
        """
        from aksk_provider.storage import transfer

        return transfer.download_many(
            self.store,
            transfer.find_objects(self.store, key, bucket),
            folder,
            overwrite=overwrite,
            options=options or transfer.ManyOptions(),
            cancelled=self._cancelled,
        )

    def abort_incomplete(
        self, prefix: str = "", bucket: str | None = None, *, older_than: timedelta = timedelta(days=1)
    ) -> Sequence[str]:
        """Drop uploads in parts that were begun so long ago and never completed, and return their URIs."""
        from aksk_provider.storage.parts import abort_incomplete

        dropped = abort_incomplete(self.store, prefix, bucket, older_than)
        self.log.info("dropped %d incomplete uploads", len(dropped))
        return dropped

    def open(self, key: str, bucket: str | None = None) -> BufferedReader:
        """Return a stream of the object as it is stored; close it. Size and checksum are checked at its end."""
        from aksk_provider.storage.transfer import ObjectReader

        return BufferedReader(ObjectReader(self.store, key, bucket), 1024 * 1024)

    def head(self, key: str, bucket: str | None = None) -> ObjectInfo:
        """Return the properties of an object."""
        return self.store.head(key, bucket)

    def exists(self, key: str, bucket: str | None = None) -> bool:
        """Tell whether an object exists."""
        return self.store.exists(key, bucket)

    def list(
        self, prefix: str = "", bucket: str | None = None, *, delimiter: str | None = None
    ) -> Iterator[ObjectInfo]:
        """Yield every object under a prefix, of every page, in the order of the keys' bytes.

        :param prefix: start of the keys, or a URI
        :param delimiter: leaves out keys that hold it after the prefix; ``/`` lists one "folder"
        """
        return self.store.list(prefix, bucket, delimiter=delimiter)

    def delete(self, key: str | Iterable[str], bucket: str | None = None) -> None:
        """Delete an object, or many in batches of 1,000. Deleting what is not there is no error."""
        if isinstance(key, str):
            self.store.delete(key, bucket)
        else:
            self.store.delete_many(key, bucket)

    def copy(self, source: str, target: str) -> ObjectInfo:
        """Copy an object of up to 5 GB inside the cloud; keys of the default bucket, or URIs."""
        return self.store.copy(source, target)

    @classmethod
    def sign_recipe(cls, recipe: Recipe | Mapping[str, Any]) -> PresignedURL:
        """Sign a recipe with the connection it names; the link is masked in this task.

        :param recipe: what ``PresignURLOperator(emit="recipe")`` returned
        """
        from aksk_provider.hooks.links import sign_recipe

        return sign_recipe(cls, recipe)

    def test_connection(self) -> tuple[bool, str]:
        """Try the connection, for Airflow's Test button and command, and say in one sentence what is wrong."""
        from aksk_provider.hooks.doctor import examine_hook, in_one_sentence

        report = examine_hook(self)
        return report.ok, in_one_sentence(report)
