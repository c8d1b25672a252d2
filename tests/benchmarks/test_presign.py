"""That the benchmark of presigned links runs and compares like with like; its numbers are in ``make bench``."""

from __future__ import annotations

from urllib.parse import urlsplit

from aksk_provider.hooks.object_storage import ObjectStorageHook
from tests.benchmarks import bench_presign


def test_every_way_is_measured_for_every_vendor_and_kind_of_key() -> None:
    rates = bench_presign.rates(rounds=1)
    assert len(rates) == 3 * 3 * 2
    assert all(rate > 0 for rate in rates.values())


def test_the_sdks_are_asked_for_the_links_that_we_make() -> None:
    with bench_presign.connections():
        for vendor, presign in bench_presign.sdks().items():
            theirs = presign("a/b c")
            theirs = getattr(theirs, "url", theirs)
            theirs = theirs.decode() if isinstance(theirs, bytes) else theirs
            ours = ObjectStorageHook(f"bench_{vendor}").presign("a/b c")
            assert urlsplit(theirs)[1:3] == urlsplit(ours.url)[1:3], vendor


def test_a_long_manifest_takes_no_more_memory_than_a_short_one() -> None:
    made = bench_presign.manifest("cos", "Unicode", "csv", count=50_000)
    assert made["count"] == 50_000
    assert made["growth"] < bench_presign.MEMORY_LIMIT
