"""What must hold after a run: everything arrived, whole and once, and nothing was left behind."""

from __future__ import annotations

from contextlib import closing
from typing import Any

import psycopg2

from tests.cluster.cluster import SLOTS
from tests.cluster.harm import Harm
from tests.cluster.run import Run


def wrong(run: Run) -> dict[str, Any]:
    """Return what is not as it must be after a run, by what it is."""
    states = {f"{task['task_id']}[{task['map_index']}]": task["state"] for task in run.tasks()}
    if (state := run.state()) != "success":
        return {"run": state, "tasks": {name: state for name, state in states.items() if state != "success"}}
    plan, ledger, measured = run.cluster.plan, run.cluster.ledger, run.measured()
    writes = ledger.writes()
    written = {place for place in plan.contents if not place[1].startswith("down/")}
    found = {
        "tasks": {name: state for name, state in states.items() if state != "success"},
        "missing tasks": len(plan.instances() - set(states)),
        "tries that succeeded and were followed by another": _succeeded_before(run.cluster.database),
        "objects": plan.wrong_objects(),
        "files": plan.wrong_files(),
        "uploads left open": plan.open_uploads(),
        "not written once": {place: writes[place] for place in {*writes, *written} if writes[place] != 1},
        "sensors that never waited": plan.size.sensors - measured.deferred,
        "tasks beyond the slots": max(measured.slots - SLOTS, 0),
    }
    return {name: value for name, value in found.items() if value}


def begun_again(run: Run, doing: Harm) -> dict[str, Any]:
    """Return the transfers of a killed worker that were not continued where they stood."""
    found: dict[str, Any] = {name: "not continued" for name in doing.downloads if not _continued(run, name)}
    for place, held in doing.uploads.items():
        uploads = run.cluster.ledger.uploads_of(place)
        if len(uploads) != 1 or any(uploads[0][number] != 1 for number in held):
            found["/".join(place)] = (held, uploads)
    return found


def _continued(run: Run, name: str) -> bool:
    """Tell whether the log of any try of a task instance says that it continued a download."""
    task, _, index = name.rstrip("]").partition("[")
    logs = run.cluster.logs.glob(f"logs/*/*/task_id={task}/map_index={index}/attempt=*.log")
    return any("continuing" in log.read_text("utf-8") for log in logs)


def _succeeded_before(address: str) -> int:
    with closing(psycopg2.connect(address.replace("+psycopg2", ""))) as database, database.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM task_instance_history WHERE state = 'success'")
        ((count,),) = cursor.fetchall()
    return int(count)
