"""Faults to be tested against: rules that make the emulator fail as networks and stores do."""

from aksk_provider.emulator.faults.answers import Cut, Hang, Redirect, Reset, Status
from aksk_provider.emulator.faults.base import Effect
from aksk_provider.emulator.faults.bodies import (
    CutRequest,
    Flip,
    FlipRequest,
    Replace,
    Slow,
    WrongChecksum,
    WrongLength,
)
from aksk_provider.emulator.faults.rules import OPERATIONS, Fault, Faults, Rule
from aksk_provider.emulator.faults.state import ExpireToken, ForgetUpload, Skew

__all__ = [
    "OPERATIONS",
    "Cut",
    "CutRequest",
    "Effect",
    "ExpireToken",
    "Fault",
    "Faults",
    "Flip",
    "FlipRequest",
    "ForgetUpload",
    "Hang",
    "Redirect",
    "Replace",
    "Reset",
    "Rule",
    "Skew",
    "Slow",
    "Status",
    "WrongChecksum",
    "WrongLength",
]
