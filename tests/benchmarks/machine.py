"""What it ran on, so that a number can be read."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version


def describe(*distributions: str) -> str:
    """Return Python, processors, their load in the last five minutes, and versions of distributions, in one line."""
    processors = f"{os.cpu_count()} x {platform.machine()} with a load of {os.getloadavg()[1]:.1f}"
    said = [f"Python {platform.python_version()}", processors]
    return ", ".join([*said, *(f"{name} {_version(name)}" for name in distributions)]) + "."


def _version(distribution: str) -> str:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return "not installed"
