"""A verifying local server of the native protocols of Baidu BOS, Alibaba OSS and Tencent COS."""

from aksk_provider.emulator.model import Account, Bucket
from aksk_provider.emulator.server import Emulator

__all__ = ["Account", "Bucket", "Emulator"]
