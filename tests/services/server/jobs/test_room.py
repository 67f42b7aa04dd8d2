"""Room for files."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from rondo_services.errors import TooLarge
from rondo_services.jobs.store import JobStore
from rondo_services.jobs.types import StoredFile
from rondo_services.server.jobs.room import FileRoom


@pytest.fixture
def store(tmp_path: Path) -> Iterator[JobStore]:
    with JobStore(f"sqlite:///{tmp_path}/jobs.sqlite") as store:
        store.add_file(StoredFile("file-1", "shop", "a", "job", 30, 0.0, None, "files/1"))
        yield store


@pytest.mark.parametrize(
    ("owner", "num_bytes", "told"),
    [
        ("shop", 20, ""),
        ("shop", 21, "of this key, which may have 50 bytes"),
        ("else", 50, ""),
        ("else", 51, "of this key, which may have 50 bytes"),
        ("", 70, ""),
        ("", 71, "of all together may have 100 bytes"),
    ],
)
def test_an_owner_and_all_together_have_a_limit(store: JobStore, owner: str, num_bytes: int, told: str) -> None:
    room = FileRoom(100, 50)
    if not told:
        with room.taken(store, owner, num_bytes):
            return
    with pytest.raises(TooLarge, match=told), room.taken(store, owner, num_bytes):
        pass


def test_what_is_being_written_counts_until_it_is_written(store: JobStore) -> None:
    """Files that came at once were each looked at before any was written, and all were let in."""
    room = FileRoom(100, 50)
    with room.taken(store, "shop", 20):
        with pytest.raises(TooLarge), room.taken(store, "shop", 1):
            pass
        with room.taken(store, "else", 50), pytest.raises(TooLarge), room.taken(store, "", 1):
            pass
    with room.taken(store, "shop", 20):
        pass
