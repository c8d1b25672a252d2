"""The Airflow half of the demo, in a process of its own: ``python -m tests.demo.runner <results fd> <dag file>``.

Reads the connections as JSON from standard input, runs the DAG once for each, and writes a line of JSON a run to the
results' file descriptor. Whatever Airflow logs goes to standard output.
"""

from __future__ import annotations

import json
import os
import sys
import time
from dataclasses import asdict
from pathlib import Path

from tests.support import airflow_home, dag_runs


def main() -> None:
    """Prepare the metadata database; with a DAG file, run its DAG for each connection."""
    connections = json.load(sys.stdin)
    airflow_home.create_database()
    for conn_id, fields in connections.items():
        airflow_home.save_connection(conn_id, **fields)
    if len(sys.argv) < 3:
        return
    (dag,) = dag_runs.load(Path(sys.argv[2])).values()
    with os.fdopen(int(sys.argv[1]), "w", buffering=1) as results:
        for conn_id in connections:
            start = time.monotonic()
            result = dag_runs.run(dag, {"conn_id": conn_id})
            told = {
                "conn_id": conn_id,
                "seconds": time.monotonic() - start,
                "state": result.state,
                "run_id": result.run_id,
            }
            print(json.dumps({**told, "tasks": [asdict(task) for task in result.tasks]}), file=results)


if __name__ == "__main__":
    main()
