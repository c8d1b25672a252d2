"""Two hundred transfers and as many deferred sensors over PostgreSQL, Redis and Celery, while much of it dies."""

from __future__ import annotations

import os

import pytest

from tests.cluster import services
from tests.cluster.checks import begun_again, wrong
from tests.cluster.cluster import CELERY, LOCAL, cluster
from tests.cluster.harm import harm, slow_down
from tests.cluster.plan import Size
from tests.cluster.run import Run

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("services")]


@pytest.fixture(autouse=True)
def packages() -> None:
    """Skip where Debian's packages are not installed, but never in CI."""
    if missing := services.missing():
        told = f"needs the Debian packages {' and '.join(missing)}"
        assert not os.environ.get("CI"), told
        pytest.skip(told)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("executor", [LOCAL, CELERY])
def test_transfers_and_deferred_sensors_finish(executor: str) -> None:
    with cluster(executor, Size(transfers=12, large=6, sensors=12)) as running:
        run = Run(running)
        run.wait(run.ended, 600)
        assert wrong(run) == {}


@pytest.mark.timeout(1800)
def test_all_arrive_once_while_a_worker_the_triggerer_and_redis_die_and_the_store_is_busy() -> None:
    with cluster(CELERY, Size()) as running:
        run = Run(running)
        slow_down(run)
        doing = harm(run)
        run.wait(run.ended, 1200)
        assert wrong(run) == {}
        assert begun_again(run, doing) == {}
        assert run.measured().tried_again >= len(doing.uploads) > 0
        assert running.ledger.refused > 0
