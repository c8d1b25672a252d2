"""Hands a link, a form or a ticket to people: ready commands, and lists for mail and chat.

Pure functions of what was signed; nothing is sent. Everything they return holds the signature and is as secret as the
link itself.
"""

from __future__ import annotations

import html
import posixpath
import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone

from aksk_provider.errors import InvalidRequestError
from aksk_provider.signing import PresignedURL, encoding
from aksk_provider.signing.forms import PostForm

COMMANDS = ("curl", "wget", "python")
LISTINGS = ("markdown", "html")
_SENDS = ("PUT", "POST")
_MARKDOWN = re.compile(r"([\\`*_{}\[\]()<>#+!|~&:@.-])")
_ESCAPED = r"\\\1"
_UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB")
_PYTHON = """\
import os, shutil, sys, urllib.error, urllib.request
class Signed(urllib.request.Request):
    def add_unredirected_header(self, name, value):
        if name != 'Content-type':  # urllib would add one, which was not signed
            super().add_unredirected_header(name, value)
headers, length, path = {headers!r}, {length}, {path!r}
if length is not None:
    headers['Content-Length'] = str(length)
try:
    request = Signed({url!r}, data={body}, headers=headers, method={method!r})
    with urllib.request.urlopen(request) as answer:
        if path is None:
            print(answer.status, answer.headers.get('ETag') or '')
        else:
            with open(path, 'wb') as file:
                shutil.copyfileobj(answer, file)
            if answer.length:
                sys.exit('the answer was cut off')
except urllib.error.HTTPError as error:
    sys.exit(f'{{error.code}} {{error.reason}}: {{error.read().decode()}}')
"""


@dataclass(frozen=True, slots=True)
class Link:
    """One line of a list.

    :param url: a link for GET
    :param name: what to call it, usually the name of the file
    :param size: bytes, where they are known
    """

    url: PresignedURL
    name: str
    size: int | None = None


def command(tool: str, link: PresignedURL, file_name: str | None = None) -> str:
    """Return a shell command that uses a link, for ``curl``, ``wget`` or ``python``.

    It holds the headers that the link was signed with, ends with an error when the store refuses, and is quoted for
    POSIX shells.

    :param file_name: file to write (GET) or to send (PUT, POST); by default the name in the URL
    """
    if tool not in COMMANDS:
        raise InvalidRequestError(f"a command is for one of {', '.join(COMMANDS)}, not {tool!r}")
    make = {"curl": curl, "wget": wget, "python": python}[tool]
    return make(link, file_name)


def curl(link: PresignedURL, file_name: str | None = None) -> str:
    """Return a curl command; see :func:`command`."""
    words = ["curl", "--fail", "--silent", "--show-error", "--globoff", *_methods(link.method)]
    words += [word for name, value in link.signed_headers.items() for word in ("--header", f"{name}: {value}")]
    if link.method == "GET":
        words += ["--output", _path(link, file_name)]
    elif link.method == "PUT" or (link.method == "POST" and file_name):
        words += ["--upload-file", _path(link, file_name)]
    elif link.method == "POST":
        # Without this curl would send a Content-Type, which OSS takes for a signed header
        typed = [] if _typed(link) else ["--header", "Content-Type:"]
        words += [*typed, "--data", ""]
    return shlex.join([*words, "--url", link.url])


def wget(link: PresignedURL, file_name: str | None = None) -> str:
    """Return a wget command; see :func:`command`.

    :raises InvalidRequestError: the link sends a body and was signed without ``Content-Type``: wget always sends one
    """
    words = ["wget", "--no-verbose", "--no-netrc"]
    words += [f"--header={name}: {value}" for name, value in link.signed_headers.items()]
    if link.method == "GET":
        words += [f"--output-document={_path(link, file_name)}"]
    else:
        words += [f"--method={link.method}", "--output-document=-"]
    if link.method in _SENDS:
        if not _typed(link):
            raise InvalidRequestError("wget always sends a Content-Type: sign one, headers={'Content-Type': ...}")
        words += [f"--body-file={_path(link, file_name)}" if _has_body(link, file_name) else "--body-data="]
    joined = shlex.join([*words, link.url])
    # Refused, wget leaves an empty file behind
    return f"{joined} || (rm -f {shlex.quote(_path(link, file_name))}; false)" if link.method == "GET" else joined


def python(link: PresignedURL, file_name: str | None = None) -> str:
    """Return a ``python3`` command that needs the standard library only; see :func:`command`."""
    path, sends = _path(link, file_name), _has_body(link, file_name)
    body = f"open({path!r}, 'rb')" if sends else "b''" if link.method in _SENDS else "None"
    program = _PYTHON.format(
        headers=dict(link.signed_headers),
        length=f"os.path.getsize({path!r})" if sends else "None",
        url=link.url,
        body=body,
        method=link.method,
        path=path if link.method == "GET" else None,
    )
    return shlex.join(["python3", "-c", program])


def form_command(form: PostForm, path: str, values: Mapping[str, str] | None = None) -> str:
    """Return a curl command that sends a file with an upload form.

    :param path: file to send
    :param values: the fields that the form leaves to the sender
    """
    words = ["curl", "--fail-with-body", "--silent", "--show-error"]
    for name, value in {**form.fields, **_filled(form, values)}.items():
        words += ["--form-string", f"{name}={value}"]
    # curl reads ',' and ';' in a file name unless it is quoted
    escaped = path.replace("\\", "\\\\").replace('"', '\\"')
    return shlex.join([*words, "--form", f'file=@"{escaped}"', "--url", form.url])


def form_page(form: PostForm, title: str = "Upload a file") -> str:
    """Return an HTML page with an upload form, for a browser; it has no script."""
    hidden = "".join(
        f'<input type="hidden" name="{html.escape(name)}" value="{html.escape(value)}">\n'
        for name, value in form.fields.items()
    )
    shown = "".join(
        f'<p><label>{html.escape(name)} <input name="{html.escape(name)}" value="{html.escape(prefix)}" required>'
        "</label></p>\n"
        for name, prefix in form.to_fill.items()
    )
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head><meta charset="utf-8"><meta name="referrer" content="no-referrer">'
        f"<title>{html.escape(title)}</title></head>\n<body>\n<h1>{html.escape(title)}</h1>\n"
        f'<form action="{html.escape(form.url)}" method="post" enctype="multipart/form-data" accept-charset="utf-8">\n'
        f"{hidden}{shown}"
        '<p><input type="file" name="file" required></p>\n<p><button>Upload</button></p>\n</form>\n'
        f"<p>Until {_time(form.expires_at)}</p>\n</body>\n</html>\n"
    )


def markdown_list(links: Iterable[Link]) -> str:
    """Return a Markdown list of links: name, size where known, and expiry in UTC."""
    return "".join(
        f"- [{_MARKDOWN.sub(_ESCAPED, one_line(link.name))}](<{link.url.url}>){_details(link)}\n"
        for link in _clickable(links)
    )


def html_list(links: Iterable[Link]) -> str:
    """Return an HTML list of links: name, size where known, and expiry in UTC; it has no script."""
    items = "".join(
        f'<li><a href="{html.escape(link.url.url)}" rel="noreferrer">{html.escape(one_line(link.name))}</a>'
        f"{_details(link)}</li>\n"
        for link in _clickable(links)
    )
    return f"<ul>\n{items}</ul>\n"


def result_fields(kind: str | None, link: PresignedURL, name: str, size: int | None = None) -> dict[str, str]:
    """Return what a task's result gets besides the link: ``command`` or ``listing``, or nothing.

    :param kind: one of ``curl``, ``wget``, ``python``, ``markdown``, ``html``
    :param name: key, URI or name of the file
    """
    if kind is None:
        return {}
    if kind in COMMANDS:
        return {"command": command(kind, link, file_name(name))}
    if kind in LISTINGS:
        line = Link(link, file_name(name), size)
        return {"listing": markdown_list([line]) if kind == "markdown" else html_list([line])}
    raise InvalidRequestError(f"handover must be one of {', '.join((*COMMANDS, *LISTINGS))}, not {kind!r}")


def file_name(key: str) -> str:
    """Return the last part of a key or URI, to name a file by."""
    return posixpath.basename(key.rstrip("/")) or "object"


def _clickable(links: Iterable[Link]) -> Sequence[Link]:
    chosen = list(links)
    for link in chosen:
        if link.url.method != "GET":
            raise InvalidRequestError(f"{link.name}: a link in a list is for GET, this one is for {link.url.method}")
        if link.url.signed_headers:
            needed = ", ".join(link.url.signed_headers)
            raise InvalidRequestError(f"{link.name}: a click sends no headers, this link needs {needed}")
    return chosen


def _details(link: Link) -> str:
    size = "" if link.size is None else f" ({_size(link.size)})"
    return f"{size}, until {_time(link.url.expires_at)}"


def _size(size: int) -> str:
    value, unit = float(size), 0
    while value >= 1024 and unit < len(_UNITS) - 1:
        value, unit = value / 1024, unit + 1
    return f"{size} {_UNITS[0]}" if unit == 0 else f"{value:.1f} {_UNITS[unit]}"


def _time(instant: datetime) -> str:
    return f"{instant.astimezone(timezone.utc):%Y-%m-%d %H:%M} UTC"


def one_line(name: str) -> str:
    """Return a name on one line: what cannot be printed is a space."""
    return " ".join("".join(char if char.isprintable() else " " for char in name).split())


def _methods(method: str) -> list[str]:
    return {"GET": [], "PUT": [], "HEAD": ["--head"]}.get(method, ["--request", method])


def _typed(link: PresignedURL) -> bool:
    return any(name.lower() == "content-type" for name in link.signed_headers)


def _has_body(link: PresignedURL, name: str | None) -> bool:
    return link.method == "PUT" or (link.method == "POST" and name is not None)


def _path(link: PresignedURL, name: str | None) -> str:
    """Return the file of a command; ``-`` at its start would be an option or the standard input."""
    if name is None:
        name = file_name(encoding.decode(encoding.split_url(link.url).path))
    if not name or "\0" in name:
        raise InvalidRequestError(f"{name!r} is no name of a file")
    return f"./{name}" if name.startswith(("-", ".")) else name


def _filled(form: PostForm, values: Mapping[str, str] | None) -> dict[str, str]:
    given = dict(values or {})
    for name, prefix in form.to_fill.items():
        if not given.get(name, "").startswith(prefix) or name not in given:
            raise InvalidRequestError(f"the form needs a value for {name} that starts with {prefix!r}")
    return given
