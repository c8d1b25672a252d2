"""A shell script for a multipart ticket, for partners who have curl and nothing of ours."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

from aksk_provider.storage.presigning.handover import one_line

_SCRIPT_HEAD = """\
#!/bin/sh
# Uploads one file of {size} bytes to {uri}. Good until {until}; keep it secret.
set -eu
file=${{1:?usage: sh $0 FILE}}
[ "$(wc -c <"$file")" -eq {size} ] || {{ echo "$file has not {size} bytes" >&2; exit 1; }}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
: >"$work/etags"

part() {{ # part NUMBER OFFSET SIZE URL [curl options]
  number=$1 offset=$2 size=$3 url=$4
  shift 4
  tail -c "+$((offset + 1))" "$file" 2>/dev/null | head -c "$size" >"$work/part"
  curl --fail-with-body --silent --show-error --retry 4 "$@" --upload-file "$work/part" \\
    --dump-header "$work/headers" --output "$work/answer" --url "$url" || {{ cat "$work/answer" >&2; exit 1; }}
  etag=$(tr -d '\\r"' <"$work/headers" | sed -n 's/^[Ee][Tt][Aa][Gg]: *//p' | tail -n 1)
  [ -n "$etag" ] || {{ echo "part $number: no ETag" >&2; exit 1; }}
  echo "$number $etag" >>"$work/etags"
}}

complete() {{ # complete START PART BETWEEN END URL [curl options]
  start=$1 each=$2 between=$3 end=$4 url=$5
  shift 5
  {{
    printf '%s' "$start"
    first=1
    while read -r number etag; do
      [ "$first" ] || printf '%s' "$between"
      first=
      printf '%s' "$each" | sed "s/{{number}}/$number/; s/{{etag}}/$etag/"
    done <"$work/etags"
    printf '%s' "$end"
  }} >"$work/body"
  curl --fail-with-body --silent --show-error "$@" --data-binary "@$work/body" --output "$work/answer" --url "$url" ||
    {{ cat "$work/answer" >&2; exit 1; }}
  # A store may answer 200 and tell an error in the body
  if grep -q -e '<Error>' -e '"code"' "$work/answer"; then cat "$work/answer" >&2; exit 1; fi
}}
"""


def multipart_script(ticket: Mapping[str, Any]) -> str:
    """Return a shell script that uses a multipart ticket with curl alone: ``sh upload.sh FILE``."""
    complete = ticket["complete"]
    lines = [_SCRIPT_HEAD.format(uri=one_line(ticket["uri"]), size=ticket["size"], until=ticket["expires_at"])]
    for part in ticket["parts"]:
        words = [str(part["offset"]), str(part["size"]), part["url"], *_headers(part)]
        lines.append(f"part {part['number']} {shlex.join(words)}")
    words = [complete["body"][name] for name in ("start", "part", "between", "end")]
    lines.append(f"complete {shlex.join([*words, complete['url'], *_headers(complete)])}")
    return "\n".join(lines) + "\n"


def _headers(step: Mapping[str, Any]) -> list[str]:
    return [word for name, value in step["headers"].items() for word in ("--header", f"{name}: {value}")]
