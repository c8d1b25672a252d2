"""Operators: upload, download, presign."""

from aksk_provider.operators.download import DownloadObjectOperator
from aksk_provider.operators.presign import PresignURLOperator
from aksk_provider.operators.upload import UploadObjectOperator

__all__ = ["DownloadObjectOperator", "PresignURLOperator", "UploadObjectOperator"]
