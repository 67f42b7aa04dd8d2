"""Files are listed by owner, expire, and are forgotten."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from rondo_services.errors import InvalidInput
from rondo_services.jobs.store import JobStore, new_file_id
from rondo_services.jobs.types import StoredFile


def _added(store: JobStore, owner: str = "", purpose: str = "batch", expires_at: float | None = None) -> StoredFile:
    file = StoredFile(new_file_id(), owner, "a", purpose, 1, 5.0, expires_at, "files/1")
    store.add_file(file)
    return file


def test_a_file_is_kept_as_it_was_added(store: JobStore) -> None:
    file = StoredFile(new_file_id(), "shop", "요청.jsonl", "batch", 5 * 2**30, 1.5, 2.5, "files/1")
    store.add_file(file)
    assert store.file(file.id) == file
    assert file.id.startswith("file-")
    assert store.file("file-0") is None


def test_a_file_takes_the_place_of_one_that_had_its_id(store: JobStore) -> None:
    old, other = _added(store), _added(store)
    new = replace(old, num_bytes=7, expires_at=9.0)
    store.add_file(new)
    assert store.files(None) == [other, new]


def test_a_file_that_several_write_at_once_is_never_away(store: JobStore) -> None:
    """It was deleted and added anew in two steps: others found it missing, or were told that its id was taken."""
    file = _added(store)
    seen = []

    def write() -> None:
        for _ in range(20):
            store.add_file(file)
            seen.append(store.file(file.id))

    with ThreadPoolExecutor() as pool:
        for done in [pool.submit(write) for _ in range(4)]:
            done.result()
    assert seen == [file] * 80


def test_bytes_are_counted_of_an_owner_and_of_all(store: JobStore) -> None:
    assert store.num_bytes(None) == 0
    shop, _ = _added(store, "shop"), _added(store, "other")
    store.add_file(replace(shop, num_bytes=5 * 2**30))
    assert (store.num_bytes("shop"), store.num_bytes("nobody"), store.num_bytes(None)) == (5 * 2**30, 0, 5 * 2**30 + 1)


def test_files_are_listed_newest_first(store: JobStore) -> None:
    ids = [_added(store, "shop", purpose).id for purpose in ("batch", "batch_output", "batch")]
    other = _added(store, "other").id
    assert [file.id for file in store.files("shop")] == ids[::-1]
    assert [file.id for file in store.files("shop", limit=2)] == [ids[2], ids[1]]
    assert [file.id for file in store.files("shop", after=ids[1])] == [ids[0]]
    assert [file.id for file in store.files("shop", purpose="batch")] == [ids[2], ids[0]]
    assert [file.id for file in store.files(None)] == [other, *ids[::-1]]
    with pytest.raises(InvalidInput, match="there is no file"):
        store.files("shop", after=other)


def test_files_expire_and_are_deleted(store: JobStore) -> None:
    late, soon, _ = (_added(store, expires_at=at) for at in (20.0, 10.0, None))
    assert store.expired_files(9.9) == []
    assert store.expired_files(20.0) == [soon, late]
    assert store.expired_files(20.0, limit=1) == [soon]
    assert store.delete_file(soon.id)
    assert not store.delete_file(soon.id)
    assert store.expired_files(20.0) == [late]
