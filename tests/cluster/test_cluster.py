"""Two hundred transfers and as many deferred sensors over PostgreSQL, Redis and Celery: also while much of it dies."""

from __future__ import annotations

import os
from contextlib import closing

import psycopg2
import pytest

from tests.cluster import services
from tests.cluster.cluster import CELERY, LOCAL, SLOTS, Cluster, cluster
from tests.cluster.harm import Harm, harm, slow_down
from tests.cluster.plan import Size
from tests.cluster.run import Measured, Run

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("cluster"), pytest.mark.timeout(1500)]
FULL, SMALL = Size(), Size(transfers=24, large=6, sensors=24)


@pytest.fixture(autouse=True)
def packages() -> None:
    """Skip where Debian's packages are not installed, but never in CI."""
    if missing := services.missing():
        told = f"needs the Debian packages {' and '.join(missing)}"
        assert not os.environ.get("CI"), told
        pytest.skip(told)


@pytest.mark.parametrize("executor", [LOCAL, CELERY])
def test_transfers_and_deferred_sensors_finish(executor: str) -> None:
    with cluster(executor, SMALL) as running:
        run = Run(running)
        run.wait(run.ended, 600)
        measured = run.measured()
        everything_arrived_once(running, run, measured)
    assert measured.tried_again == 0


def test_nothing_is_lost_or_done_twice_when_a_worker_the_triggerer_redis_and_the_store_fail() -> None:
    with cluster(CELERY, FULL) as running:
        run = Run(running)
        slow_down(run)
        done = harm(run)
        run.wait(run.ended, 1200)
        everything_arrived_once(running, run, run.measured())
        was_continued(running, done)
    assert running.ledger.refused > 0


def everything_arrived_once(running: Cluster, run: Run, measured: Measured) -> None:
    """Assert that every task succeeded, once, and that the store and the disk hold exactly what they must."""
    plan, size = running.plan, running.plan.size
    states = {f"{task['task_id']}[{task['map_index']}]": task["state"] for task in run.tasks()}
    assert {name: state for name, state in states.items() if state != "success"} == {}
    assert len(states) == size.transfers + size.sensors + len(plan.clouds)
    assert measured.state == "success"
    assert succeeded_before(running) == 0

    assert plan.wrong_objects() == set()
    assert plan.wrong_files() == set()
    assert plan.open_uploads() == []
    assert {place: count for place, count in running.ledger.writes().items() if count != 1} == {}
    assert set(running.ledger.writes()) == {place for place in plan.contents if not place[1].startswith("down/")}

    assert measured.deferred == size.sensors
    assert 0 < measured.slots <= SLOTS


def was_continued(running: Cluster, done: Harm) -> None:
    """Assert that what the killed worker was uploading was continued where it stood, and not begun again."""
    assert done.uploads
    for (vendor, key), held in done.uploads.items():
        uploads = [parts for (*place, _), parts in running.ledger.parts.items() if place == [vendor, key]]
        assert len(uploads) == 1, "it was continued in the same upload"
        assert {number: uploads[0][number] for number in held} == dict.fromkeys(held, 1)


def succeeded_before(running: Cluster) -> int:
    """Return how many tries of task instances succeeded and were followed by another."""
    address = running.database.replace("+psycopg2", "")
    with closing(psycopg2.connect(address)) as database, database.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM task_instance_history WHERE state = 'success'")
        ((count,),) = cursor.fetchall()
    return int(count)
