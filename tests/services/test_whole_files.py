"""Files are there as a whole or not at all."""

from pathlib import Path

import pytest

from rondo_services.whole_files import written_whole


def test_a_file_has_its_name_at_the_end(tmp_path: Path) -> None:
    target = tmp_path / "out.jsonl"
    target.write_bytes(b"old")
    with written_whole(target) as file:
        file.write(b"new")
        assert target.read_bytes() == b"old"
    assert target.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [target]


def test_what_breaks_off_changes_nothing_and_leaves_nothing(tmp_path: Path) -> None:
    target = tmp_path / "out.jsonl"
    target.write_bytes(b"old")

    def break_off() -> None:
        with written_whole(target) as file:
            file.write(b"new")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        break_off()
    assert target.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [target]
