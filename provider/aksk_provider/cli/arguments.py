"""What can be written on the command line."""

from __future__ import annotations

import argparse
import re
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from aksk_provider import __version__
from aksk_provider.cli import commands

if TYPE_CHECKING:
    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_EXIT_CODES = "exit codes: 0 done, 1 failed, 2 wrong usage, 130 interrupted"
_METHODS = ("GET", "PUT", "HEAD", "POST", "DELETE")


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    made = argparse.ArgumentParser(
        prog="python -m aksk_provider",
        description="Objects of Baidu BOS, Alibaba OSS and Tencent COS, with the connections of Airflow.",
        epilog="A connection is read as Airflow reads it: from a secrets backend, AIRFLOW_CONN_<ID>, or the metadata "
        f"database. {_EXIT_CODES}",
    )
    made.add_argument("--version", action="version", version=__version__)
    subparsers = made.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _doctor(subparsers)
    _presign(subparsers)
    _upload(subparsers)
    _download(subparsers)
    _ls(subparsers)
    return made


def _command(subparsers: Subparsers, name: str, text: str, epilog: str = "") -> argparse.ArgumentParser:
    made = subparsers.add_parser(
        name, help=text, description=f"{text[:1].upper()}{text[1:]}.", epilog=f"{epilog}{_EXIT_CODES}"
    )
    made.set_defaults(run=getattr(commands, name))
    made.add_argument("--json", action="store_true", help="write the result as JSON")
    made.add_argument("--debug", action="store_true", help="show where an error came from")
    return made


def _place(command: argparse.ArgumentParser) -> None:
    command.add_argument("--conn-id", default="aksk_default", metavar="ID", help="connection (default: %(default)s)")
    command.add_argument("--bucket", help="bucket, by default the connection's or the one of a URI")


def _many(command: argparse.ArgumentParser) -> None:
    command.add_argument("--no-overwrite", dest="overwrite", action="store_false", help="fail where the target exists")
    command.add_argument("--skip-equal", action="store_true", help="leave out what is there with size and checksum")
    command.add_argument("--dry-run", action="store_true", help="only say what would be moved")
    command.add_argument(
        "--workers", type=_positive, default=8, metavar="N", help="files at once (default: %(default)s)"
    )
    command.add_argument(
        "--part-size", type=_positive, metavar="MIB", help="size of the parts of files that are larger than one"
    )


def _doctor(subparsers: Subparsers) -> None:
    command = _command(
        subparsers,
        "doctor",
        "say what is wrong with a link, an Authorization header or a connection",
        "A link on the command line stays in the history of the shell: '-' reads it from standard input. ",
    )
    command.add_argument("subject", metavar="URL|AUTHORIZATION|-|CONN_ID", help="what to examine; '-' reads it")
    command.add_argument(
        "--conn-id", metavar="ID", help="connection that signed the link: its key checks the signature"
    )
    command.add_argument("--method", type=str.upper, choices=_METHODS, help="method that the link is meant for")
    command.add_argument("--header", action="append", type=_header, default=[], help="'Name: value' sent with the link")


def _presign(subparsers: Subparsers) -> None:
    command = _command(
        subparsers, "presign", "print a link that works without a key; headers it requires go to standard error"
    )
    _place(command)
    command.add_argument("key", metavar="KEY|URI")
    command.add_argument("--method", type=str.upper, choices=_METHODS, default="GET", help="default: %(default)s")
    command.add_argument("--expires-in", type=_duration, metavar="TIME", help="lifetime: 900, 15m, 2h, 7d")
    command.add_argument(
        "--expires-at", type=_time, metavar="ISO", help="end, with its time zone: 2026-01-31T08:00:00Z"
    )
    command.add_argument("--header", action="append", type=_header, default=[], help="'Name: value' to sign")
    command.add_argument("--param", action="append", type=_pair, default=[], help="'name=value' of the query to sign")
    command.add_argument("--version-id", help="version of the object")
    command.add_argument("--filename", help="name under which a browser saves it, in any script")
    command.add_argument("--content-type", help="the only type that may be uploaded")
    command.add_argument("--content-md5", help="MD5 of the only body that may be uploaded, base64 or hex")
    command.add_argument(
        "--endpoint", help="host to sign for, by default the connection's public_endpoint, or its host"
    )
    command.add_argument(
        "--clamp", action="store_true", help="shorten a lifetime that is not allowed, do not refuse it"
    )


def _upload(subparsers: Subparsers) -> None:
    command = _command(
        subparsers,
        "upload",
        "upload a file, a folder, what a glob matches, or standard input (-)",
        "Interrupted, it continues when it is run again. ",
    )
    _place(command)
    command.add_argument("source", metavar="PATH|GLOB|-")
    command.add_argument("key", metavar="KEY|PREFIX/|URI", help="ends with '/' for a folder or a glob")
    _many(command)
    command.add_argument("--content-type", help="by default guessed from the name")
    command.add_argument(
        "--metadata", action="append", type=_pair, default=[], help="'name=value' kept with the object"
    )
    command.add_argument("--header", action="append", type=_header, default=[], help="'Name: value' to send")


def _download(subparsers: Subparsers) -> None:
    command = _command(
        subparsers,
        "download",
        "download an object, or those under a prefix or matched by a wildcard",
        "Interrupted, it continues when it is run again. ",
    )
    _place(command)
    command.add_argument("key", metavar="KEY|PREFIX/|GLOB|URI")
    command.add_argument("target", nargs="?", default=".", metavar="PATH|FOLDER|-", help="default: the current folder")
    _many(command)
    command.add_argument("--exact", action="store_true", help="take '*', '?' and '[' of the key as they are")
    command.add_argument("--version-id", help="version of the object")


def _ls(subparsers: Subparsers) -> None:
    command = _command(subparsers, "ls", "list objects and prefixes, with --json one JSON object on each line")
    _place(command)
    command.add_argument("prefix", nargs="?", default="", metavar="PREFIX|GLOB|URI")
    command.add_argument("-r", "--recursive", action="store_true", help="list everything below")


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not 1 or more")
    return value


def _duration(text: str) -> timedelta:
    parts = re.fullmatch(r"((?:\d+[smhd])+|\d+)", text)
    if parts is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no lifetime such as 900, 15m, 2h or 7d")
    pairs = re.findall(r"(\d+)([smhd]?)", text)
    return timedelta(seconds=sum(int(number) * _UNITS[unit or "s"] for number, unit in pairs))


def _time(text: str) -> datetime:
    try:
        time = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no time such as 2026-01-31T08:00:00Z") from None
    if time.tzinfo is None:
        raise argparse.ArgumentTypeError(f"{text!r} has no time zone: end it with Z or +08:00")
    return time


def _pair(text: str) -> tuple[str, str]:
    name, separator, value = text.partition("=")
    if not name or not separator:
        raise argparse.ArgumentTypeError(f"{text!r} is not name=value")
    return name, value


def _header(text: str) -> tuple[str, str]:
    name, separator, value = text.partition(":")
    if not name or not separator:
        raise argparse.ArgumentTypeError(f"{text!r} is not 'Name: value'")
    return name.strip(), value.strip()
