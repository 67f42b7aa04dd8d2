"""Cuts a job's input into chunks, ahead of those who answer them. Knows no service."""

import time
from collections.abc import Callable, Iterable, Iterator
from itertools import islice, takewhile
from typing import Literal

import zstandard

from .files import StateFiles
from .items import BadItem, Item, packed, unpacked
from .store import JobStore
from .types import Chunk, Lease

LOOK_AHEAD = 192
"""Chunks: several times what a worker answers at once, as there may be several workers."""

_PAUSE_S = 0.25

_MOST_CHARACTERS = 1_000_000
"""Of a chunk, as many chunks are in memory together; a record may be longer."""

ChunkFile = Literal["in", "out", "bad"]


def chunk_file(job_id: str, kind: ChunkFile, number: int, token: str = "") -> str:
    """Name of a chunk's file; answers have the token of the lease that they were written under."""
    return f"{_chunks(job_id)}/{kind}/{number:08d}{f'-{token}' if token else ''}.jsonl.zst"


def delete_chunks(job_id: str, files: StateFiles) -> None:
    """Delete the files of all chunks, once the job has ended."""
    files.delete_all(_chunks(job_id))


def _chunks(job_id: str) -> str:
    return f"jobs/{job_id}/chunks"


def plan(
    lease: Lease,
    items: Iterable[Item | BadItem],
    size: int,
    store: JobStore,
    files: StateFiles,
    stopped: Callable[[], bool],
    look_ahead: int,
) -> bool:
    """Go on where the planning of the job ended, until all is planned; waits while enough chunks are open.

    Args:
        items: of the whole input, from its beginning.
        size: records of a chunk; fewer if they are long.
        stopped: whether somebody wants this to end.
        look_ahead: chunks that may be open.

    Returns:
        Whether all is planned: not if it was stopped, or the lease was lost.

    Raises what the reading of `items` does.
    """
    remaining = takewhile(lambda _: not stopped(), islice(items, lease.num_records, None))
    number, first = lease.num_chunks, lease.num_records
    for chunk in _parts(remaining, size):
        while store.num_open_chunks(lease.job.id) >= look_ahead:
            if stopped() or not store.holds(lease):
                return False
            time.sleep(_PAUSE_S)
        if stopped():
            return False
        name = chunk_file(lease.job.id, "in", number)
        files.write(name, compressed("".join(f"{packed(item)}\n" for item in chunk).encode()))
        if not store.add_chunks(lease, [Chunk(number, first, len(chunk), name)], done=False):
            return False
        number, first = number + 1, first + len(chunk)
    if stopped():
        return False
    return store.add_chunks(lease, [], done=True)


def planned_items(chunk: Chunk, files: StateFiles) -> list[Item | BadItem]:
    """The items of a chunk."""
    with files.open_read(chunk.input) as file:
        return [unpacked(line) for line in zstandard.decompress(file.read()).splitlines()]


def compressed(data: bytes) -> bytes:
    """As all files of chunks are."""
    return zstandard.compress(data, level=1)


def _parts(items: Iterator[Item | BadItem], size: int) -> Iterator[list[Item | BadItem]]:
    """The same from each part's beginning, so that it does not matter where planning goes on."""
    part: list[Item | BadItem] = []
    num_characters = 0
    for item in items:
        part.append(item)
        num_characters += _num_characters(item)
        if len(part) == size or num_characters >= _MOST_CHARACTERS:
            yield part
            part, num_characters = [], 0
    if part:
        yield part


def _num_characters(item: Item | BadItem) -> int:
    if isinstance(item, BadItem):
        return len(item.reason)
    return len(item.text) + sum(map(len, item.expected)) + len(str(item.id or ""))
