"""Many files: in order, each for itself, never outside the folder; and nothing moved that is there already."""

from __future__ import annotations

import io
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from aksk_provider import errors
from aksk_provider.emulator import Emulator
from aksk_provider.storage import ObjectStore, transfer
from aksk_provider.storage.transfer import ManyOptions
from aksk_provider.storage.transfer.many import paths_below
from tests.storage.test_store_on_emulator import open_store

FILES = {"a.csv": b"1", "b 文件.csv": b"22", "deep/er/c.txt": b"333", "deep/d.csv": b"4444"}


@pytest.fixture(params=["bos", "oss", "cos"])
def store(request: pytest.FixtureRequest, emulator: Emulator) -> Iterator[ObjectStore]:
    with open_store(emulator, request.param) as opened:
        yield opened


@pytest.fixture
def prefix() -> str:
    return f"{uuid.uuid4()}/"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "source"
    for name, body in FILES.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)
    return root


def contents(root: Path) -> dict[str, bytes]:
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_a_folder_goes_up_and_comes_down_as_it_was(
    store: ObjectStore, prefix: str, folder: Path, tmp_path: Path
) -> None:
    sent = transfer.upload_many(store, transfer.find_sources(folder), prefix)
    assert [result.uri for result in sent] == [store.uri(prefix + name) for name in sorted(FILES)]
    assert {result.status for result in sent} == {"done"}
    store.put(f"{prefix}deep/", b"")
    for key in (prefix, store.uri(prefix + "a.csv").removesuffix("a.csv")):
        target = tmp_path / uuid.uuid4().hex
        transfer.download_many(store, transfer.find_objects(store, key, None), target)
        assert contents(target) == FILES


def test_globs_wildcards_and_lists_choose(store: ObjectStore, prefix: str, folder: Path, tmp_path: Path) -> None:
    chosen = [name for _, name in transfer.find_sources(f"{folder}/**/*.csv")]
    assert chosen == ["a.csv", "b 文件.csv", "deep/d.csv"]
    assert [name for _, name in transfer.find_sources([str(folder / "a.csv")])] == ["a.csv"]
    with pytest.raises(errors.InvalidRequestError, match="no such file"):
        transfer.find_sources(f"{folder}/*.nothing")
    transfer.upload_many(store, transfer.find_sources(folder), prefix)
    found = transfer.find_objects(store, f"{prefix}deep/*.csv", None)
    transfer.download_many(store, found, tmp_path / "wild")
    assert contents(tmp_path / "wild") == {"d.csv": b"4444"}
    found = transfer.find_objects(store, [f"{prefix}a.csv", f"{prefix}deep/d.csv"], None)
    transfer.download_many(store, found, tmp_path / "list")
    assert contents(tmp_path / "list") == {"a.csv": b"1", "d.csv": b"4444"}


def test_one_failure_names_its_file_and_the_rest_still_finish(
    store: ObjectStore, prefix: str, folder: Path, tmp_path: Path
) -> None:
    sources = transfer.find_sources(folder)
    (folder / "a.csv").unlink()
    (folder / "a.csv").mkdir()
    with pytest.raises(errors.TransfersFailedError, match=r"1 of 4 files failed: .*a\.csv: "):
        transfer.upload_many(store, sources, prefix)
    assert [info.key for info in store.list(prefix)] == [prefix + name for name in sorted(FILES)[1:]]
    objects = list(transfer.find_objects(store, prefix, None))
    store.delete(prefix + "deep/d.csv")
    with pytest.raises(errors.TransfersFailedError, match=r"1 of 3 files failed: .*deep/d\.csv: .*NoSuchKey"):
        transfer.download_many(store, objects, tmp_path / "target")
    assert sorted(contents(tmp_path / "target")) == ["b 文件.csv", "deep/er/c.txt"]


def test_what_is_equal_is_left_out_and_a_dry_run_moves_nothing(
    store: ObjectStore, prefix: str, folder: Path, tmp_path: Path
) -> None:
    sources = transfer.find_sources(folder)
    planned = transfer.upload_many(store, sources, prefix, options=ManyOptions(dry_run=True))
    assert {result.status for result in planned} == {"planned"}
    assert list(store.list(prefix)) == []
    transfer.upload_many(store, sources, prefix)
    (folder / "a.csv").write_bytes(b"!")
    again = transfer.upload_many(store, sources, prefix, options=ManyOptions(skip_equal=True))
    assert [result.status for result in again] == ["done", "skipped", "skipped", "skipped"]
    target = tmp_path / "target"
    transfer.download_many(store, transfer.find_objects(store, prefix, None), target)
    (target / "a.csv").write_bytes(b"?")
    again = transfer.download_many(
        store, transfer.find_objects(store, prefix, None), target, options=ManyOptions(skip_equal=True)
    )
    assert [result.status for result in again] == ["done", "skipped", "skipped", "skipped"]
    assert contents(target)["a.csv"] == b"!"


def test_one_file_that_is_equal_is_left_alone_too(store: ObjectStore, prefix: str, folder: Path) -> None:
    path = folder / "a.csv"
    first = transfer.upload(store, path, f"{prefix}a", metadata={"kept": "yes"})
    assert transfer.upload(store, path, f"{prefix}a", skip_equal=True).etag == first.etag
    assert store.head(f"{prefix}a").metadata == {"kept": "yes"}
    before = path.stat().st_mtime_ns
    result = transfer.download(store, f"{prefix}a", path, skip_equal=True, overwrite=False)
    assert (result.size, path.stat().st_mtime_ns) == (1, before)


@pytest.mark.parametrize(
    "name", ["../out", "a/../../out", "/out", "//out", "a//b", "./a", "C:/out", "c:out", "a\\..\\out", "a/\0", ".."]
)
def test_a_key_never_leads_out_of_the_folder(tmp_path: Path, name: str) -> None:
    with pytest.raises(errors.InvalidRequestError):
        paths_below(tmp_path)(name)


def test_a_link_never_leads_out_of_the_folder(store: ObjectStore, prefix: str, tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.mkdir()
    (target / "link").symlink_to(tmp_path)
    store.put(f"{prefix}good", b"x")
    store.put(f"{prefix}link/out", b"x")
    with pytest.raises(errors.InvalidRequestError, match="symbolic link"):
        transfer.download_many(store, transfer.find_objects(store, prefix, None), target)
    assert not (tmp_path / "out").exists()
    assert not (target / "good").exists()


def test_a_download_into_a_file_object_writes_in_order(store: ObjectStore, prefix: str) -> None:
    body = bytes(range(256)) * 4000
    store.put(f"{prefix}key", body)
    sink = io.BytesIO(b"")
    result = transfer.download(store, f"{prefix}key", sink)
    assert (sink.getvalue() == body, result.size, result.path) == (True, len(body), "")
    store.put(f"{prefix}empty", b"")
    transfer.download(store, f"{prefix}empty", sink)
    assert sink.getvalue() == body
