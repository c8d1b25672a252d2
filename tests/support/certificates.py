"""Certificates of servers on this machine."""

from __future__ import annotations

import subprocess
from pathlib import Path


def make_certificate(folder: Path) -> Path:
    """Make a self-signed certificate for 127.0.0.1, with its key in the same file."""
    path, key = folder / "certificate.pem", folder / "key.pem"
    subject = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2"]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", str(key), "-out", str(path)]
    subprocess.run([*command, *subject], check=True, capture_output=True)
    path.write_text(path.read_text() + key.read_text())
    return path
