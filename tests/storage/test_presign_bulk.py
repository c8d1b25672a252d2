"""Links one after another and by the million: the same links, truthful ends, constant memory, files of their own."""

from __future__ import annotations

import csv
import gc
import itertools
import json
import stat
import tracemalloc
import weakref
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from urllib.parse import quote

import pytest
import requests
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aksk_provider.emulator import Emulator
from aksk_provider.errors import InvalidRequestError, NotFoundError, ObjectExistsError
from aksk_provider.signing import Credentials, PresignedURL, Request
from aksk_provider.storage import ObjectStore
from aksk_provider.storage.config import resolve
from aksk_provider.storage.credentials import static
from aksk_provider.storage.operations import own_operation
from aksk_provider.storage.presigning import bulk
from aksk_provider.storage.presigning.bulk import COLUMNS, presign_many, write_manifest
from tests.conftest import PERMANENT
from tests.signing import strategies
from tests.storage.conftest import BUCKETS, REGIONS
from tests.support.clouds import Cloud

NOW = datetime(2026, 11, 20, 12, 0, 0, 250_000, tzinfo=timezone.utc)
every_vendor = pytest.mark.parametrize("vendor", BUCKETS)
KEYS = ["a.csv", "b c/d+e.csv", "\u6587\u4ef6/100%.csv", "dir//double/", 'quote"and,comma\r\nnewline', "x" * 700]


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


def make(vendor: str, clock: Clock | None = None, **changes: object) -> ObjectStore:
    given: dict[str, object] = {
        "credentials": static(Credentials("AKIDEXAMPLE", "TheSecretKey", "TheToken/+=")),
        "region": REGIONS[vendor],
        "bucket": BUCKETS[vendor],
        **changes,
    }
    return ObjectStore(resolve(vendor=vendor, **given), clock=clock or Clock())  # type: ignore[arg-type]


def parts(link: PresignedURL | bulk.Link) -> tuple[object, ...]:
    """Return what two links must have in common to be the same."""
    return link.method, link.url, link.expires_at, dict(link.signed_headers)


def signed_alone(store: ObjectStore, key: str, **options: object) -> tuple[object, ...]:
    """Return the parts of the link that the signer makes, without a template."""
    config, endpoint = store.config, store.config.public_endpoint or store.config.endpoint
    operation = own_operation(
        config.vendor,
        str(options.get("method", "GET")),
        str(config.bucket),
        key,
        options.get("headers"),  # type: ignore[arg-type]
        options.get("params"),  # type: ignore[arg-type]
        options.get("version_id"),  # type: ignore[arg-type]
    )
    request = Request(
        operation.method, endpoint.url(operation.bucket, operation.key, operation.query), operation.headers
    )
    signer = store.transport.signer(operation, endpoint, list(operation.headers))
    expires_in: object = options.get("expires_in")
    return parts(
        signer.presign(request, config.credentials(), now=store.transport.now(), expires_in=expires_in)  # type: ignore[arg-type]
    )


OPTIONS = st.fixed_dictionaries(
    {},
    optional={
        "method": st.sampled_from(["GET", "put", "HEAD", "DELETE"]),
        "expires_in": st.timedeltas(timedelta(seconds=1), timedelta(hours=12)),
        "headers": st.dictionaries(st.sampled_from(["Content-Type", "X-Other"]), st.text("ab /;=", max_size=5)),
        "params": st.dictionaries(st.sampled_from(["response-content-type", "a b", "\u4e2d"]), strategies.texts(5)),
        "version_id": st.sampled_from(["v1", "a/b+c=="]),
    },
)
PLACES = (
    {},
    {"endpoint": "http://127.0.0.1:9000"},
    {"public_endpoint": "https://files.example.com"},
    {"endpoint": "https://files.example.com:8443", "addressing": "cname"},
)


@every_vendor
@pytest.mark.parametrize("place", PLACES, ids=["virtual", "path", "public", "cname"])
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(keys=st.lists(strategies.keys.map(lambda key: f"k{key}"), min_size=1, max_size=4), options=OPTIONS)
def test_a_store_presigns_what_its_signer_does(
    vendor: str, place: dict[str, str], keys: list[str], options: dict[str, object]
) -> None:
    with make(vendor, **place) as store:
        expected = [signed_alone(store, key, **options) for key in keys]
        assert [parts(store.presign(key, **options)) for key in keys] == expected  # type: ignore[arg-type]
        if "version_id" not in options:
            links = list(presign_many(store, keys, **options))  # type: ignore[arg-type]
            assert [link.key for link in links] == keys
            assert [parts(link) for link in links] == expected


@every_vendor
def test_a_link_starts_in_the_second_it_is_made_in(vendor: str) -> None:
    """Fails when a template outlives its second, or one of another second is used after the clock was set back."""
    clock = Clock()
    with make(vendor, clock) as store:
        for moment in (0.0, 0.7, 0.8, 5.0, -3.0):
            clock.now = NOW + timedelta(seconds=moment)
            link = store.presign("key", expires_in=timedelta(minutes=1))
            assert parts(link) == signed_alone(store, "key", expires_in=timedelta(minutes=1))
            assert link.expires_at == clock.now.replace(microsecond=0) + timedelta(minutes=1)


def test_rotated_credentials_are_used_at_once() -> None:
    pairs = [Credentials("AKFIRST", "one"), Credentials("AKFIRST", "one"), Credentials("AKSECOND", "two")]
    with make("cos", credentials=lambda: pairs[0]) as store:
        first = store.presign("key").url
        assert store.presign("key").url == first
        pairs.pop(0)
        assert store.presign("key").url == first
        pairs.pop(0)
        assert "q-ak=AKSECOND" in store.presign("key").url


def test_the_templates_of_a_store_stay_few_and_go_with_it() -> None:
    store = make("bos")
    for seconds in range(1, 300):
        store.presign("key", expires_in=timedelta(seconds=seconds))
    assert len(store.templates._known) <= 64
    assert "TheSecretKey" not in repr(vars(store.templates))
    assert "TheToken" not in repr(vars(store.templates))
    kept = weakref.ref(store.templates)
    store.close()
    del store
    gc.collect()
    assert kept() is None


@every_vendor
@pytest.mark.parametrize(
    "key", ["", ".", "a/../b", "./a", "\ud800", "x" * 2000, "\u4e2d" * 400, "other://b/k/../", "s3://b/..", 7]
)
def test_what_one_by_one_refuses_is_refused_in_bulk(vendor: str, key: str) -> None:
    with make(vendor) as store:
        refused = TypeError if key == 7 else InvalidRequestError
        with pytest.raises(refused):
            store.presign(key)
        with pytest.raises(refused):
            list(presign_many(store, ["fine", key]))


def test_keys_that_oss_forbids_are_refused_in_bulk_too() -> None:
    with make("oss") as store:
        for key in ("/a", "\\a"):
            with pytest.raises(InvalidRequestError, match="must not start"):
                list(presign_many(store, [key]))


def test_uris_name_their_buckets_among_keys_and_need_no_default() -> None:
    with make("bos", bucket=None, endpoint="http://127.0.0.1:9000") as store:
        first, second = presign_many(store, ["bos://onebucket/a", "bos://twobucket/a"])
        assert (first.url.partition("?")[0], second.url.partition("?")[0]) == (
            "http://127.0.0.1:9000/onebucket/a",
            "http://127.0.0.1:9000/twobucket/a",
        )
        assert (first.uri, first.key) == ("bos://onebucket/a", "a")
        with pytest.raises(InvalidRequestError, match="no bucket"):
            next(presign_many(store, ["a"]))
        with pytest.raises(InvalidRequestError, match="start with bos://"):
            next(presign_many(store, ["oss://onebucket/a"]))


def test_a_text_is_not_taken_for_its_letters() -> None:
    with make("bos") as store, pytest.raises(InvalidRequestError, match="give a list"):
        next(presign_many(store, "abc"))


def test_links_are_made_when_they_are_asked_for() -> None:
    with make("oss") as store:
        asked: list[int] = []

        def endless() -> Iterator[str]:
            for number in itertools.count():
                asked.append(number)
                yield f"k{number}"

        links = presign_many(store, endless())
        assert asked == []
        assert [next(links).key for _ in range(3)] == ["k0", "k1", "k2"]
        assert asked == [0, 1, 2]


def test_a_link_asked_for_later_lives_as_long(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, ticks = Clock(), iter(range(0, 1000, 10))
    monkeypatch.setattr(bulk, "monotonic", lambda: float(next(ticks)))
    with make("cos", clock) as store:
        links = presign_many(store, map(str, range(1000)), expires_in=timedelta(minutes=1))
        first = next(links)
        clock.now += timedelta(minutes=3)
        later = next(links)
        assert later.expires_at - first.expires_at == timedelta(minutes=3)
        together = presign_many(store, ["a", "b"], expires_at=clock.now + timedelta(minutes=1))
        end = next(together).expires_at
        clock.now += timedelta(seconds=30)
        assert next(together).expires_at == end
        passed = presign_many(store, ["a", "b"], expires_at=clock.now + timedelta(seconds=2))
        next(passed)
        clock.now += timedelta(seconds=30)
        with pytest.raises(InvalidRequestError, match="has passed"):
            next(passed)


@every_vendor
def test_a_link_of_many_prints_without_its_url(vendor: str) -> None:
    with make(vendor) as store:
        link = next(presign_many(store, ["key"], headers={"X-Other": "TheHeader"}))
        assert repr(link) == f"Link(GET {link.uri}, expires_at={link.expires_at.isoformat()})"
        assert str(link) == f"{link}" == repr(link)
        with pytest.raises(TypeError):
            link.signed_headers["X-Other"] = "another"  # type: ignore[index]


def rows(path: Path) -> list[dict[str, str]]:
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in path.read_text("utf-8").split("\n") if line]
    with path.open(encoding="utf-8", newline="") as file:
        return [{**row, "signed_headers": json.loads(row["signed_headers"])} for row in csv.DictReader(file)]


@every_vendor
@pytest.mark.parametrize("ending", ["csv", "jsonl"])
def test_a_manifest_holds_the_links_of_all_keys(vendor: str, ending: str, tmp_path: Path) -> None:
    with make(vendor) as store:
        target = tmp_path / "new" / f"links.{ending}"
        made = write_manifest(store, target, iter(KEYS), method="PUT", headers={"Content-Type": "text/csv"})
        found = rows(target)
        assert tuple(found[0]) == COLUMNS
        assert [row["uri"] for row in found] == [f"{vendor}://{BUCKETS[vendor]}/{key}" for key in KEYS]
        for row, key in zip(found, KEYS, strict=True):
            alone = store.presign(key, method="PUT", headers={"Content-Type": "text/csv"})
            assert (row["method"], row["url"]) == ("PUT", alone.url)
            assert row["signed_headers"] == {"Content-Type": "text/csv"}
            assert row["expires_at"] == alone.expires_at.isoformat()
        assert (made.place, made.format, made.count) == (str(target), ending, len(KEYS))
        assert made.expires_at == alone.expires_at


def test_the_end_of_a_manifest_is_that_of_its_first_link_to_end(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    clock, ticks = Clock(), iter(range(0, 1000, 10))
    monkeypatch.setattr(bulk, "monotonic", lambda: float(next(ticks)))

    def slow() -> Iterator[str]:
        for key in "abc":
            yield key
            clock.now += timedelta(minutes=1)

    with make("bos", clock) as store:
        made = write_manifest(store, tmp_path / "links.csv", slow(), expires_in=timedelta(minutes=10))
    ends = [datetime.fromisoformat(row["expires_at"]) for row in rows(tmp_path / "links.csv")]
    start = NOW.replace(microsecond=0)
    assert ends == [start + timedelta(minutes=minutes) for minutes in (10, 11, 12)]
    assert made.expires_at == ends[0]


def test_only_its_owner_reads_a_manifest(tmp_path: Path) -> None:
    target = tmp_path / "links.csv"
    with make("bos") as store:
        for _ in range(2):
            write_manifest(store, target, ["a"])
            assert stat.S_IMODE(target.stat().st_mode) == 0o600
            target.chmod(0o644)  # the next manifest does not take over the mode of this one
        target.unlink()
        write_manifest(store, target, ["a"], overwrite=False)
        assert stat.S_IMODE(target.stat().st_mode) == 0o600


def test_a_manifest_that_fails_leaves_what_was_there(tmp_path: Path) -> None:
    target = tmp_path / "links.csv"
    target.write_text("before")
    with make("bos") as store:
        with pytest.raises(InvalidRequestError, match=r"'\.\./d' has a '\.' or '\.\.' segment"):
            write_manifest(store, target, [*"abc", "../d"])
        with pytest.raises(InvalidRequestError, match="exists"):
            write_manifest(store, target, ["a"], overwrite=False)
        for wrong in ("links", "links.txt", "links.csv.gz"):
            with pytest.raises(InvalidRequestError, match="csv or jsonl"):
                write_manifest(store, tmp_path / wrong, ["a"])
        for sources in ({}, {"keys": ["a"], "prefix": ""}, {"prefix": "", "key_file": "x"}):
            with pytest.raises(InvalidRequestError, match="give one of"):
                write_manifest(store, target, **sources)  # type: ignore[arg-type]
        with pytest.raises(InvalidRequestError, match="start with bos://"):
            write_manifest(store, "oss://otherbucket/links.csv", ["a"])
    assert target.read_text() == "before"
    assert list(tmp_path.iterdir()) == [target]


def test_no_keys_make_an_empty_manifest(tmp_path: Path) -> None:
    with make("bos") as store:
        made = write_manifest(store, tmp_path / "links", [], file_format="csv")
    assert (made.count, made.expires_at) == (0, None)
    assert (tmp_path / "links").read_text() == "uri,method,url,expires_at,signed_headers\n"


def test_a_key_file_gives_its_lines(tmp_path: Path) -> None:
    lines = tmp_path / "keys.txt"
    lines.write_bytes("\ufeffa b\r\n\n  \u4e2d\u6587 \u2028x\nbos://otherbucket/c\nlast".encode())
    of_json = tmp_path / "keys.jsonl"
    of_json.write_text('{"uri": "bos://examplebucket/a\\nb", "size": 1}\n\n{"key": "c"}\n')
    with make("bos") as store:
        write_manifest(store, tmp_path / "links.csv", key_file=lines)
        assert [row["uri"] for row in rows(tmp_path / "links.csv")] == [
            "bos://examplebucket/a b",
            "bos://examplebucket/  \u4e2d\u6587 \u2028x",
            "bos://otherbucket/c",
            "bos://examplebucket/last",
        ]
        write_manifest(store, tmp_path / "links.jsonl", key_file=of_json)
        assert [row["uri"] for row in rows(tmp_path / "links.jsonl")] == [
            "bos://examplebucket/a\nb",
            "bos://examplebucket/c",
        ]
        for line in ("a", "[1]", "{}", '{"key": 1}', '{"key": null}'):
            of_json.write_text(f'{{"key": "a"}}\n{line}\n')
            with pytest.raises(InvalidRequestError, match=r"keys\.jsonl, line 2"):
                write_manifest(store, tmp_path / "links.jsonl", key_file=of_json)
        with pytest.raises(InvalidRequestError, match="not there"):
            write_manifest(store, tmp_path / "links.jsonl", key_file=tmp_path / "missing")


def test_memory_does_not_grow_with_the_number_of_links(tmp_path: Path) -> None:
    def peak(count: int) -> int:
        tracemalloc.start()
        write_manifest(store, tmp_path / "links.csv", (f"folder/{number}.csv" for number in range(count)))
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    with make("oss") as store:
        peak(10)
        assert peak(20_000) - peak(100) < 100_000


@pytest.fixture
def cloud_store(cloud: Cloud, request: pytest.FixtureRequest) -> Iterator[ObjectStore]:
    with cloud.store() as store:
        yield store
        store.delete_many([info.key for info in store.list("bulk/")])


@pytest.mark.parametrize("ending", ["csv", "jsonl"])
def test_a_listing_becomes_an_object_of_links_that_work(
    cloud_store: ObjectStore, ending: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    keys = ["bulk/in/a b.csv", "bulk/in/\u6587\u4ef6+1.csv"]
    for key in keys:
        cloud_store.put(key, key.encode())
    target = cloud_store.uri(f"bulk/links.{ending}")
    made = write_manifest(cloud_store, target, prefix="bulk/in/")
    assert (made.place, made.count) == (target, 2)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / f"got.{ending}").write_bytes(cloud_store.get(target).read())
    for row, key in zip(rows(tmp_path / f"got.{ending}"), keys, strict=True):
        assert requests.request(row["method"], row["url"], timeout=10).content == key.encode()
    with pytest.raises(ObjectExistsError):
        write_manifest(cloud_store, target, prefix="bulk/in/", overwrite=False)


def test_a_key_file_may_be_an_object(cloud_store: ObjectStore, tmp_path: Path) -> None:
    cloud_store.put("bulk/keys.txt", "a\n\u4e2d\n".encode())
    made = write_manifest(cloud_store, tmp_path / "links.csv", key_file=cloud_store.uri("bulk/keys.txt"))
    assert made.count == 2
    assert rows(tmp_path / "links.csv")[1]["url"].partition("?")[0].endswith(quote("/\u4e2d"))
    with pytest.raises(NotFoundError):
        write_manifest(cloud_store, tmp_path / "links.csv", key_file=cloud_store.uri("bulk/missing.txt"))


def test_a_manifest_of_links_runs_out_as_it_says(emulator: Emulator, tmp_path: Path) -> None:
    account = Credentials(PERMANENT.access_key, PERMANENT.secret_key)
    long_ago = Clock()
    long_ago.now = datetime.now(timezone.utc) - timedelta(minutes=10)
    with make("bos", long_ago, credentials=static(account), endpoint=emulator.endpoint) as store:
        write_manifest(store, tmp_path / "links.csv", ["bulk/expired"], expires_in=timedelta(minutes=5))
        write_manifest(store, tmp_path / "more.csv", ["bulk/expired"], expires_in=timedelta(minutes=15))
    assert "RequestExpired" in requests.get(rows(tmp_path / "links.csv")[0]["url"], timeout=10).text
    assert requests.get(rows(tmp_path / "more.csv")[0]["url"], timeout=10).status_code == 404
