"""Streaming transfers: constant memory, checked sizes and checksums, atomic files, resumable."""

from aksk_provider.storage.transfer.download import DownloadResult, download
from aksk_provider.storage.transfer.files import Source
from aksk_provider.storage.transfer.many import (
    FileResult,
    ManyOptions,
    download_many,
    find_objects,
    find_sources,
    upload_many,
)
from aksk_provider.storage.transfer.options import Progress, TransferOptions
from aksk_provider.storage.transfer.reader import ObjectReader
from aksk_provider.storage.transfer.upload import upload

__all__ = [
    "DownloadResult",
    "FileResult",
    "ManyOptions",
    "ObjectReader",
    "Progress",
    "Source",
    "TransferOptions",
    "download",
    "download_many",
    "find_objects",
    "find_sources",
    "upload",
    "upload_many",
]
