"""Operators: upload, download, presign, use a link, hand out tickets, clean up."""

from aksk_provider.operators.abort import AbortIncompleteUploadsOperator
from aksk_provider.operators.download import DownloadObjectOperator
from aksk_provider.operators.fetch import FetchURLOperator
from aksk_provider.operators.presign import PresignURLOperator
from aksk_provider.operators.presign_many import PresignManifestOperator
from aksk_provider.operators.ticket import UploadTicketOperator
from aksk_provider.operators.upload import UploadObjectOperator

__all__ = [
    "AbortIncompleteUploadsOperator",
    "DownloadObjectOperator",
    "FetchURLOperator",
    "PresignManifestOperator",
    "PresignURLOperator",
    "UploadObjectOperator",
    "UploadTicketOperator",
]
