"""Keys are kept whole, for their owner only, and by one process at a time."""

import multiprocessing
import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest

from rondo_services.access.key_file import KeyFile, KeyFileError
from rondo_services.access.keys import Allowance

NOW = datetime(2031, 5, 1, tzinfo=UTC)


def _create(folder: Path, name: str = "shop") -> tuple[str, str]:
    record, key = KeyFile(folder).create(name, Allowance(), None, NOW)
    return record.id, key


def _create_many(folder: Path, count: int) -> None:
    for _ in range(count):
        _create(folder)


def test_keys_are_read_as_they_were_made(tmp_path: Path) -> None:
    file = KeyFile(tmp_path / "new" / "folder")
    assert file.read() == []
    made = [file.create(name, Allowance(characters_per_day=7), NOW.replace(year=2032), NOW)[0] for name in ("a", "b")]
    assert file.read() == made


def test_only_the_owner_may_read_them(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    _create(folder)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}


def test_a_key_is_revoked_by_id_or_name(tmp_path: Path) -> None:
    first, second = _create(tmp_path, "a")[0], _create(tmp_path, "b")[0]
    file = KeyFile(tmp_path)
    assert file.revoke(first).name == "a"
    assert file.revoke("b").id == second
    assert file.read() == []


def test_of_several_keys_of_a_name_one_is_revoked_by_its_id(tmp_path: Path) -> None:
    old, new = _create(tmp_path)[0], _create(tmp_path)[0]
    with pytest.raises(KeyFileError, match=f"2 keys have the name 'shop'; give an id: {old}, {new}"):
        KeyFile(tmp_path).revoke("shop")
    KeyFile(tmp_path).revoke(old)
    assert [record.id for record in KeyFile(tmp_path).read()] == [new]


def test_what_is_not_there_is_not_revoked(tmp_path: Path) -> None:
    with pytest.raises(KeyFileError, match="no key has the name or id 'nobody'"):
        KeyFile(tmp_path).revoke("nobody")


@pytest.mark.parametrize("content", ["", "{", "[]", '{"version": 1, "keys": [{}]}', '{"other": 1}', '{"version": 2}'])
def test_a_file_of_something_else_is_refused_and_left_alone(tmp_path: Path, content: str) -> None:
    file = KeyFile(tmp_path)
    file.path.write_text(content)
    with pytest.raises(KeyFileError, match=r"keys\.json"):
        file.read()
    with pytest.raises(KeyFileError):
        _create(tmp_path)
    assert file.path.read_text() == content


def test_a_folder_that_can_not_be_written_is_said_to_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(KeyFileError, match="can't be written"):
        _create(tmp_path / "file" / "state")


def test_commands_at_the_same_time_lose_no_key(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_create_many, args=(tmp_path, 10)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert len({record.id for record in KeyFile(tmp_path).read()}) == 30
    assert {path.name for path in tmp_path.iterdir()} <= {"keys.json", "keys.lock"}
