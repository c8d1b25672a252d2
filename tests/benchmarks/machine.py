"""What it ran on, so that a number can be read."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version


def describe(*distributions: str) -> str:
    """Return Python, processor and the versions of the distributions that are installed, in one line."""
    said = [f"Python {platform.python_version()}", f"{os.cpu_count()} x {platform.machine()}"]
    return ", ".join([*said, *(f"{name} {_version(name)}" for name in distributions)]) + "."


def _version(distribution: str) -> str:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return "not installed"
