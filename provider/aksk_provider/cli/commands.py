"""The commands: each takes the options of the command line and returns its exit code."""

from __future__ import annotations

import json
import logging
import os
import re
import signal
import sys
from argparse import Namespace
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aksk_provider.errors import InvalidRequestError

if TYPE_CHECKING:
    from aksk_provider.hooks.object_storage import ObjectStorageHook
    from aksk_provider.storage import ObjectInfo
    from aksk_provider.storage.transfer import FileResult, ManyOptions

_WILDCARD = re.compile(r"[*?\[]")
_AUTHORIZATION = re.compile(r"(authorization\s*:|bce-auth-v\d/|OSS4-|OSS |q-sign-algorithm=|AWS)", re.IGNORECASE)
MIB = 1024**2


def open_hook(conn_id: str, *, debug: bool = False) -> ObjectStorageHook:
    """Return the hook of a connection, found outside a task as well."""
    # Only servers may look into the metadata database; a shell with Airflow's configuration is one of them
    os.environ.setdefault("_AIRFLOW_PROCESS_CONTEXT", "server")
    logging.getLogger("alembic").setLevel(logging.WARNING)  # which speaks when Airflow 3.1 is imported
    from airflow.sdk.log import configure_logging

    # Left alone, Airflow's log goes to standard output, between the lines that others read
    configure_logging(log_level="INFO" if debug else "ERROR", output=sys.stderr)
    from aksk_provider.hooks.object_storage import ObjectStorageHook

    return ObjectStorageHook(conn_id)


def doctor(options: Namespace) -> int:
    """Examine a link, a header or a connection: 0 when it can work, 1 when not."""
    from aksk_provider.storage.doctor import explain_authorization, explain_url

    subject, now = options.subject, datetime.now(timezone.utc)
    if subject == "-":
        subject = sys.stdin.read().strip()
    elif re.search(r"(?i)signature|authorization|OSS4-|q-ak|sign=", subject):
        _note("a signature on the command line stays in the history of the shell; '-' reads it from standard input")
    if not subject:
        raise InvalidRequestError("there is nothing to examine on standard input")
    headers = dict(options.header)
    if _AUTHORIZATION.match(subject):
        report = explain_authorization(subject, now, headers or None)
    elif "://" in subject or "?" in subject:
        store = open_hook(options.conn_id, debug=options.debug).store if options.conn_id else None
        report = explain_url(subject, now, store, method=options.method, headers=headers)
    else:
        open_hook(subject, debug=options.debug)
        from aksk_provider.hooks.doctor import examine_connection

        report = examine_connection(subject)
    _print(json.dumps(report.as_dict(), ensure_ascii=False) if options.json else str(report))
    if not options.json and (not report.ok or all(finding.level == "ok" for finding in report.findings)):
        _print(f"=> {report.summary}")
    return 0 if report.ok else 1


def presign(options: Namespace) -> int:
    """Print the link alone; what else must be known goes to standard error."""
    link = open_hook(options.conn_id, debug=options.debug).presign(
        options.key,
        options.bucket,
        method=options.method,
        expires_in=options.expires_in,
        expires_at=options.expires_at,
        headers=dict(options.header),
        params=dict(options.param),
        version_id=options.version_id,
        filename=options.filename,
        content_type=options.content_type,
        content_md5=options.content_md5,
        endpoint=options.endpoint,
        clamp=options.clamp,
    )
    if options.json:
        fields = {"method": link.method, "url": link.url, "expires_at": link.expires_at.isoformat()}
        _print_json({**fields, "signed_headers": dict(link.signed_headers), "warnings": list(link.warnings)})
        return 0
    _print(link.url)
    for name, value in link.signed_headers.items():
        _note(f"send the header {name}: {value}", "required")
    for warning in link.warnings:
        _note(warning)
    return 0


def upload(options: Namespace) -> int:
    """Upload one file or many."""
    hook, source, key = open_hook(options.conn_id, debug=options.debug), options.source, options.key
    properties: dict[str, Any] = {
        "content_type": options.content_type,
        "metadata": dict(options.metadata) or None,
        "headers": dict(options.header) or None,
    }
    with _transfers(hook, options) as many:
        if source == "-":
            if key.endswith("/") or options.dry_run or options.skip_equal:
                raise InvalidRequestError("standard input goes to one key, without --dry-run or --skip-equal")
            info = hook.upload(
                sys.stdin.buffer, key, options.bucket, overwrite=options.overwrite, options=many.each, **properties
            )
            _results(options, [{"path": "-", **_of(info)}])
            return 0
        if not Path(source).is_file() and not key.endswith("/"):
            raise InvalidRequestError(f"{source} is no single file: end the key {key!r} with '/' to make it a prefix")
        if not Path(source).is_file() or key.endswith("/"):
            results = hook.upload_many(
                source, key, options.bucket, overwrite=options.overwrite, options=many, **properties
            )
            _results(options, [result.as_dict() for result in results])
            return 0
        _results(options, [_upload_file(hook, options, many, properties)])
    return 0


def _upload_file(
    hook: ObjectStorageHook, options: Namespace, many: ManyOptions, properties: Mapping[str, Any]
) -> dict[str, Any]:
    path = Path(options.source)
    if options.dry_run:
        uri = hook.uri(options.key, options.bucket)
        return {"path": str(path), "uri": uri, "size": path.stat().st_size, "status": "planned"}
    info = hook.upload(
        path,
        options.key,
        options.bucket,
        overwrite=options.overwrite,
        skip_equal=options.skip_equal,
        options=many.each,
        **properties,
    )
    return {"path": str(path), **_of(info)}


def download(options: Namespace) -> int:
    """Download one object or many."""
    hook, key, target = open_hook(options.conn_id, debug=options.debug), options.key, options.target
    is_many = key.endswith("/") or (not options.exact and _WILDCARD.search(key))
    with _transfers(hook, options) as many:
        if is_many:
            if target == "-":
                raise InvalidRequestError("standard output takes one object")
            results: Iterable[FileResult] = hook.download_many(
                key, target, options.bucket, overwrite=options.overwrite, options=many
            )
            _results(options, [result.as_dict() for result in results])
            return 0
        if target != "-" and (target.endswith("/") or Path(target).is_dir()):
            from aksk_provider.storage.transfer.many import paths_below

            target = paths_below(Path(target).absolute())(hook.store.key(key, options.bucket).rpartition("/")[2])
        if options.dry_run:
            info = hook.head(key, options.bucket)
            _results(options, [{"path": str(target), "uri": info.uri, "size": info.size, "status": "planned"}])
            return 0
        result = hook.download(
            key,
            sys.stdout.buffer if target == "-" else target,
            options.bucket,
            version_id=options.version_id,
            overwrite=options.overwrite,
            skip_equal=options.skip_equal and target != "-",
            options=many.each,
        )
        if target != "-":
            fields = {"uri": result.uri, "size": result.size, "etag": result.etag, "crc64": result.crc64}
            _results(options, [{"path": str(target), **fields, "status": "done"}])
    return 0


def ls(options: Namespace) -> int:
    """List a prefix, its folders first rolled up, or what a wildcard matches."""
    store = open_hook(options.conn_id, debug=options.debug).store
    if _WILDCARD.search(options.prefix):
        from aksk_provider.storage.matching import find

        for info in find(store, options.prefix, options.bucket):
            _list_object(info, options)
        return 0
    for page in store.pages(options.prefix, options.bucket, delimiter=None if options.recursive else "/"):
        for prefix in page.prefixes:
            _print_json({"prefix": prefix}) if options.json else _print(f"{'folder':>14}  {'':19}  {_visible(prefix)}")
        for info in page.objects:
            _list_object(info, options)
    return 0


def _list_object(info: ObjectInfo, options: Namespace) -> None:
    if options.json:
        _print_json({name: value for name, value in info.as_dict().items() if value is not None})
        return
    time = f"{info.last_modified:%Y-%m-%d %H:%M:%S}" if info.last_modified else ""
    _print(f"{info.size if info.size is not None else '':>14}  {time:19}  {_visible(info.key)}")


@contextmanager
def _transfers(hook: ObjectStorageHook, options: Namespace) -> Iterator[ManyOptions]:
    """Give the options of transfers that show a bar, and end orderly at the first Ctrl-C, at once at another."""
    from aksk_provider.cli.progress import Bar
    from aksk_provider.storage.transfer import ManyOptions, TransferOptions

    bar = Bar(sys.stderr)
    size = options.part_size * MIB if options.part_size else None
    sizes = {"threshold": size, "part_size": size} if size else {}
    each = TransferOptions(progress=bar, **sizes)

    def stop(*_: object) -> None:
        hook.cancel()
        signal.signal(signal.SIGINT, signal.default_int_handler)

    before = signal.signal(signal.SIGINT, stop)
    try:
        yield ManyOptions(options.workers, options.skip_equal, options.dry_run, each)
    finally:
        signal.signal(signal.SIGINT, before)
        bar.close()


def _of(info: ObjectInfo) -> dict[str, Any]:
    fields = {"uri": info.uri, "size": info.size, "etag": info.etag, "crc64": info.crc64}
    return {**fields, "version_id": info.version_id, "status": "done"}


def _results(options: Namespace, results: list[dict[str, Any]]) -> None:
    """Write the files as JSON; without it only what a dry run would do."""
    if options.json:
        _print_json(results)
    elif options.dry_run:
        for result in results:
            _print(f"{result['status']}: {_visible(str(result['path']))} {_visible(result['uri'])}")


def _print_json(value: object) -> None:
    _print(json.dumps(value, ensure_ascii=False))


def _print(text: str) -> None:
    sys.stdout.write(f"{text}\n")


def _note(text: str, kind: str = "warning") -> None:
    sys.stderr.write(f"{kind}: {text}\n")


def _visible(text: str) -> str:
    """Return a name as it is, or escaped where a terminal would take a character of it for a command."""
    return text if text.isprintable() else repr(text)
