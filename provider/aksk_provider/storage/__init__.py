"""The three object stores behind one interface: requests are built, signed, sent and parsed here."""

from aksk_provider.storage.config import StoreConfig
from aksk_provider.storage.responses import ObjectInfo
from aksk_provider.storage.store import ObjectStore
from aksk_provider.storage.transfer import DownloadResult, TransferOptions

__all__ = ["DownloadResult", "ObjectInfo", "ObjectStore", "StoreConfig", "TransferOptions"]
