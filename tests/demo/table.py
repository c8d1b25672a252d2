"""What a DAG run sent through XCom, as a table for people, with its signatures and tokens masked."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

_SECRETS = re.compile(r"(?i)([?&](?:authorization|sign|[\w-]*(?:signature|token|credential))=)[^&#]+")
_NAMES = 18


def masked(text: str) -> str:
    """Return the text with the values of signatures and tokens in URLs replaced."""
    return _SECRETS.sub(r"\1***", text)


def table(run: Mapping[str, Any], home: Path, width: int = 118) -> str:
    """Return one row a task: state, name and what it returned; of a mapped task that succeeded, the first instance.

    :param home: folder of this Airflow, ``~`` in the table; the run's id is ``<run>``
    """
    lines, shown = [], set()
    for task in run["tasks"]:
        mapped = task["map_index"] >= 0
        name = f"{task['task_id']}[{task['map_index']}]" if mapped else task["task_id"]
        if task["state"] == "success" and mapped and task["task_id"] in shown:
            continue
        shown.add(task["task_id"])
        mark = {"success": "ok", "None": "not run"}.get(task["state"], task["state"])
        text = _compact(task["xcom"]).replace(run["run_id"], "<run>").replace(quote(run["run_id"]), "<run>")
        value = textwrap.wrap(masked(text).replace(str(home), "~"), width - _NAMES - 10, break_on_hyphens=False) or [""]
        lines.append(f"  {mark:<7} {name:<{_NAMES}} {value[0]}")
        lines += [" " * (_NAMES + 11) + more for more in value[1:6]]
        alike = [t for t in run["tasks"] if (t["task_id"], t["state"]) == (task["task_id"], "success")]
        if task["state"] == "success" and len(alike) > 1:
            lines.append(" " * (_NAMES + 11) + f"... and {len(alike) - 1} more")
    return "\n".join(lines)


def _compact(value: Any) -> str:
    if isinstance(value, Mapping):
        return "  ".join(f"{name}={_compact(item)}" for name, item in value.items() if item not in (None, {}, []))
    if isinstance(value, list):
        return f"[{_compact(value[0])}{f'; and {len(value) - 1} more' if len(value) > 1 else ''}]" if value else "[]"
    return str(value)
