"""Runs DAGs in this process, with real task execution and a real metadata database, and reads what they left there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

if TYPE_CHECKING:
    from airflow.sdk import DAG

_OLD = version("apache-airflow-core").startswith("3.1.")


@dataclass(frozen=True)
class TaskResult:
    """What a task instance left in the database."""

    task_id: str
    map_index: int
    state: str
    xcom: Any


@dataclass(frozen=True)
class RunResult:
    """What a DAG run left in the database, and the errors it raised by task."""

    run_id: str
    state: str
    tasks: list[TaskResult]
    errors: dict[str, BaseException]

    def states(self) -> dict[str, str]:
        """Return the state of each task; of a mapped one, that of its last instance."""
        return {task.task_id: task.state for task in self.tasks}

    def xcom(self, task_id: str, map_index: int = -1) -> Any:
        """Return what a task instance returned."""
        return next(t.xcom for t in self.tasks if (t.task_id, t.map_index) == (task_id, map_index))


def load(path: Path) -> dict[str, DAG]:
    """Return the DAGs of a file, by id, as Airflow's processor reads them."""
    try:
        from airflow.dag_processing.dagbag import DagBag
    except ImportError:  # Airflow 3.1
        from airflow.models.dagbag import DagBag

    bag = DagBag(path, collect_dags=False)
    dags = {dag.dag_id: dag for dag in bag.process_file(str(path))}
    if bag.import_errors:
        raise ImportError(*bag.import_errors.values())
    return dags


def run(dag: DAG, conf: Mapping[str, Any] | None = None) -> RunResult:
    """Run a DAG to its end.

    :param conf: overrides the DAG's params
    """
    errors: dict[str, BaseException] = {}
    for task in dag.tasks:
        options = task.partial_kwargs if task.is_mapped else vars(task)
        options["on_failure_callback"] = [lambda context: errors.update({context["ti"].task_id: context["exception"]})]
    _store(dag)
    with _as_newer_airflow_does() if _OLD else nullcontext():
        made = dag.test(run_conf=dict(conf or {}))
    return RunResult(made.run_id, str(made.state), _tasks(dag.dag_id, made.run_id, dag.task_ids), errors)


@contextmanager
def _as_newer_airflow_does() -> Iterator[None]:
    """Mend ``dag.test()`` of Airflow 3.1: it hides exceptions from callbacks, and takes seconds for each task."""
    from airflow.sdk.execution_time import supervisor, task_runner

    def finalize(ti: Any, state: Any, context: Any, log: Any, error: Any) -> None:
        context["exception"] = error
        original(ti, state, context, log, error)

    original = task_runner.finalize
    with (
        patch.object(task_runner, "finalize", finalize),
        patch.object(supervisor, "in_process_api_server", _api_server),
    ):
        yield


@cache
def _api_server() -> Any:
    from airflow.api_fastapi.execution_api.app import InProcessExecutionAPI

    return InProcessExecutionAPI()


def _store(dag: DAG) -> None:
    """Write the serialised DAG, which the scheduler's half of a run reads, under a bundle without files."""
    from airflow.models.dagbundle import DagBundleModel
    from airflow.models.serialized_dag import SerializedDagModel
    from airflow.serialization.serialized_objects import LazyDeserializedDAG, SerializedDAG
    from airflow.utils.session import create_session

    with create_session() as session:
        session.merge(DagBundleModel(name="in-memory"))
        session.commit()
        SerializedDAG.bulk_write_to_db("in-memory", None, [dag], session=session)
        SerializedDagModel.write_dag(LazyDeserializedDAG.from_dag(dag), bundle_name="in-memory", session=session)


def _tasks(dag_id: str, run_id: str, order: Iterable[str]) -> list[TaskResult]:
    from airflow.models import TaskInstance
    from airflow.models.xcom import XComModel
    from airflow.utils.session import create_session
    from sqlalchemy import select

    with create_session() as session:
        of_run = {"dag_id": dag_id, "run_id": run_id}
        rows = session.scalars(select(XComModel).filter_by(**of_run, key="return_value"))
        xcoms = {(row.task_id, row.map_index): row.value for row in rows}
        tasks = [
            TaskResult(ti.task_id, ti.map_index, str(ti.state), xcoms.get((ti.task_id, ti.map_index)))
            for ti in session.scalars(select(TaskInstance).filter_by(**of_run))
        ]
    rank = {task_id: place for place, task_id in enumerate(order)}
    return sorted(tasks, key=lambda task: (rank[task.task_id], task.map_index))
