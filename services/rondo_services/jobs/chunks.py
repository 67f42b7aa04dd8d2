"""Answers one chunk: its items from a file, what came of them into others."""

import asyncio
import time
from collections.abc import Sequence
from typing import BinaryIO

import zstandard

from .files import StateFiles
from .items import BadItem, Item
from .output import answered_line, bad_line
from .planning import ChunkFile, chunk_file, compressed, planned_items
from .tasks.task import Ask, Task
from .types import Chunk, DoneChunk


async def answer_chunk(job_id: str, chunk: Chunk, token: str, task: Task, ask: Ask, files: StateFiles) -> DoneChunk:
    """Answer all items of a chunk, and write the answers; the files are rubbish unless the store takes them.

    Args:
        token: of the lease, so that nobody else writes the same files.

    Raises what `ask` and `files` do.
    """
    began = time.monotonic()
    items = await asyncio.to_thread(planned_items, chunk, files)
    answers = iter(await task.answer([item for item in items if isinstance(item, Item)], ask))
    output, bad = [], []
    for item in items:
        answer = item if isinstance(item, BadItem) else next(answers)
        if isinstance(answer, BadItem):
            bad.append(bad_line(item, answer.reason))
        else:
            assert isinstance(item, Item)
            output.append(answered_line(item, answer))

    def written(kind: ChunkFile, lines: Sequence[str]) -> str:
        if not lines:
            return ""
        name = chunk_file(job_id, kind, chunk.number, token)
        files.write(name, compressed("".join(lines).encode()))
        return name

    output_name = await asyncio.to_thread(written, "out", output)
    bad_name = await asyncio.to_thread(written, "bad", bad)
    seconds = round(time.monotonic() - began, 3)
    return DoneChunk(chunk.number, chunk.count, output_name, bad_name, len(output), len(bad), seconds)


def append_lines(name: str, files: StateFiles, target: BinaryIO) -> None:
    """What `answer_chunk` wrote under a name, unpacked; nothing for ""."""
    if name:
        with files.open_read(name) as file:
            zstandard.ZstdDecompressor().copy_stream(file, target)


def delete_answers(done: DoneChunk, files: StateFiles) -> None:
    """Delete what `answer_chunk` wrote, if somebody else was faster."""
    for name in filter(None, (done.output, done.errors)):
        files.delete(name)
