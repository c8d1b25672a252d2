"""``python -m aksk_provider.emulator``: serve until interrupted."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

from aksk_provider.emulator.faults import Fault
from aksk_provider.emulator.faults.control import PATH
from aksk_provider.emulator.faults.documents import read
from aksk_provider.emulator.model import Account, Bucket
from aksk_provider.emulator.server import DEFAULT_ACCOUNTS, DEFAULT_BUCKETS, Emulator

_VENDORS = ("bos", "oss", "cos")


def account(text: str) -> Account:
    """Read ``ak:sk[:token]``."""
    access_key, _, rest = text.partition(":")
    secret_key, _, token = rest.partition(":")
    if not access_key or not secret_key:
        raise argparse.ArgumentTypeError("write it as ak:sk or ak:sk:token")
    return Account(access_key, secret_key, token or None)


def bucket(text: str) -> Bucket:
    """Read ``vendor/name``."""
    vendor, _, name = text.partition("/")
    if vendor not in _VENDORS or not name:
        raise argparse.ArgumentTypeError("write it as bos/name, oss/name or cos/name-appid")
    return Bucket(vendor, name)


def versioned_bucket(text: str) -> Bucket:
    """Read ``vendor/name``, for a bucket with versions."""
    plain = bucket(text)
    return Bucket(plain.vendor, plain.name, versioned=True)


def domain(text: str) -> tuple[str, Bucket]:
    """Read ``host=vendor/name``."""
    host, _, rest = text.partition("=")
    return host, bucket(rest)


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    made = argparse.ArgumentParser(prog="python -m aksk_provider.emulator", description=__doc__)
    made.add_argument("--host", default="127.0.0.1", help="address to listen at (default: %(default)s)")
    made.add_argument("--port", type=int, default=9000, help="port, 0 for a free one (default: %(default)s)")
    made.add_argument("--data-dir", type=Path, help="keep objects here (default: a temporary directory)")
    made.add_argument("--account", type=account, action="append", metavar="AK:SK[:TOKEN]", help="accept this key pair")
    made.add_argument("--bucket", type=bucket, action="append", metavar="VENDOR/NAME", help="serve this bucket")
    made.add_argument(
        "--versioned-bucket", type=versioned_bucket, action="append", metavar="VENDOR/NAME", help="with versions"
    )
    made.add_argument(
        "--domain", type=domain, action="append", default=[], metavar="HOST=VENDOR/NAME", help="custom domain"
    )
    made.add_argument("--faults", type=Path, metavar="FILE", help="rules of what goes wrong, as JSON")
    return made


def faults(file: Path | None) -> list[Fault]:
    """Read the rules of a file.

    :raises ValueError: says what is wrong with it
    """
    if file is None:
        return []
    try:
        return read(file.read_bytes())
    except (OSError, ValueError) as error:
        raise ValueError(f"--faults {file}: {error}") from error


def main() -> None:
    """Serve until interrupted."""
    command_line = parser()
    options = command_line.parse_args()
    try:
        rules = faults(options.faults)
    except ValueError as error:
        command_line.error(str(error))
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    buckets = [*(options.bucket or ()), *(options.versioned_bucket or ())] or DEFAULT_BUCKETS
    emulator = Emulator(
        accounts=options.account or DEFAULT_ACCOUNTS,
        buckets=buckets,
        domains=dict(options.domain),
        host=options.host,
        port=options.port,
        data_dir=options.data_dir,
        faults=rules,
    )
    emulator.run(announce)


def announce(emulator: Emulator) -> None:
    """Say where it listens and what it serves; secret keys are not printed."""
    print(f"Serving {emulator.endpoint}")
    print("  buckets:     " + " ".join(f"{vendor}://{name}" for vendor, name in emulator.buckets))
    print("  access keys: " + " ".join(emulator.accounts), flush=True)
    if emulator.faults.rules:
        print(f"  faults:      {len(emulator.faults.rules)} rules, told at {emulator.endpoint}{PATH}", flush=True)


if __name__ == "__main__":
    main()
