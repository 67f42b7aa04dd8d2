import asyncio
import json
from collections.abc import Sequence

import pytest
import zstandard
from tests.services.jobs.working import Backwards, backwards, expected_lines, records

from rondo_services.errors import EngineFailed
from rondo_services.jobs.chunks import answer_chunk, delete_answers
from rondo_services.jobs.files import StateFiles
from rondo_services.jobs.items import BadItem, Item, packed
from rondo_services.jobs.planning import chunk_file, compressed
from rondo_services.jobs.types import Chunk, DoneChunk


def _chunk(files: StateFiles, items: Sequence[Item | BadItem]) -> Chunk:
    name = chunk_file("job", "in", 3)
    files.write(name, compressed("".join(f"{packed(item)}\n" for item in items).encode()))
    return Chunk(3, 12, len(items), name)


def _answered(files: StateFiles, items: Sequence[Item | BadItem], token: str = "token") -> DoneChunk:
    chunk = _chunk(files, items)
    return asyncio.run(answer_chunk("job", chunk, token, Backwards(), backwards, files))  # type: ignore[arg-type]


def _lines(files: StateFiles, name: str) -> list[object]:
    with files.open_read(name) as file:
        return [json.loads(line) for line in zstandard.decompress(file.read()).splitlines()]


def test_good_and_bad_records_go_to_files_of_their_own(files: StateFiles) -> None:
    items = records(20)
    done = _answered(files, items)
    output, errors = expected_lines(items)
    assert (_lines(files, done.output), _lines(files, done.errors)) == (output, errors)
    assert (done.number, done.count, done.num_answered, done.num_bad) == (3, 20, len(output), len(errors))
    assert done.seconds >= 0


def test_where_there_is_nothing_to_write_there_is_no_file(files: StateFiles) -> None:
    good = _answered(files, [Item(0, 1, "text")])
    assert (bool(good.output), good.errors) == (True, "")
    bad = _answered(files, [BadItem(0, 1, "no text")])
    assert (bad.output, bool(bad.errors)) == ("", True)


def test_two_that_answer_the_same_chunk_do_not_write_the_same_files(files: StateFiles) -> None:
    one, other = _answered(files, records(9), "one"), _answered(files, records(9), "other")
    delete_answers(other, files)
    assert _lines(files, one.output) == expected_lines(records(9))[0]
    assert not {other.output, other.errors} & set(files.names())
    delete_answers(other, files)


def test_nothing_is_written_if_the_engine_fails(files: StateFiles) -> None:
    async def failing(works: object) -> list[object]:
        raise EngineFailed("it broke")

    chunk = _chunk(files, records(9))
    with pytest.raises(EngineFailed):
        asyncio.run(answer_chunk("job", chunk, "token", Backwards(), failing, files))
    assert list(files.names()) == [chunk.input]
