"""Operators: upload, download, presign, hand out tickets, clean up."""

from aksk_provider.operators.abort import AbortIncompleteUploadsOperator
from aksk_provider.operators.download import DownloadObjectOperator
from aksk_provider.operators.presign import PresignURLOperator
from aksk_provider.operators.presign_many import PresignManifestOperator
from aksk_provider.operators.ticket import UploadTicketOperator
from aksk_provider.operators.upload import UploadObjectOperator

__all__ = [
    "AbortIncompleteUploadsOperator",
    "DownloadObjectOperator",
    "PresignManifestOperator",
    "PresignURLOperator",
    "UploadObjectOperator",
    "UploadTicketOperator",
]
