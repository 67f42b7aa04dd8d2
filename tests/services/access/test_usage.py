"""What has been used outlives the server."""

import stat
from datetime import date
from pathlib import Path

import pytest

from rondo_services.access.usage import Usage, UsageBook, UsageError

TODAY = date(2031, 5, 1)


def test_a_new_book_is_empty_and_makes_no_file(tmp_path: Path) -> None:
    assert UsageBook(tmp_path).of(TODAY) == {}
    assert not list(tmp_path.iterdir())


def test_what_several_servers_used_is_added_up(tmp_path: Path) -> None:
    first, second = UsageBook(tmp_path), UsageBook(tmp_path)
    assert first.add({TODAY: {"a": Usage(1, 10)}}, TODAY) == {"a": Usage(1, 10)}
    assert second.add({TODAY: {"a": Usage(2, 20), "b": Usage(1, 1)}}, TODAY) == {"a": Usage(3, 30), "b": Usage(1, 1)}
    assert UsageBook(tmp_path).of(TODAY) == {"a": Usage(3, 30), "b": Usage(1, 1)}


def test_days_are_apart_and_old_ones_go(tmp_path: Path) -> None:
    book, old = UsageBook(tmp_path), date(2029, 1, 1)
    assert book.add({old: {"a": Usage(5, 5)}}, old) == {"a": Usage(5, 5)}
    assert book.add({date(2031, 4, 30): {"a": Usage(1, 1)}}, TODAY) == {}
    assert book.of(date(2031, 4, 30)) == {"a": Usage(1, 1)}
    assert book.of(old) == {}


def test_only_the_owner_may_read_it(tmp_path: Path) -> None:
    UsageBook(tmp_path).add({TODAY: {"a": Usage(1, 10)}}, TODAY)
    assert stat.S_IMODE((tmp_path / "usage.sqlite3").stat().st_mode) == 0o600


def test_a_file_of_something_else_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "usage.sqlite3").write_text("no database " * 100)
    with pytest.raises(UsageError, match=r"usage\.sqlite3, .*not a database"):
        UsageBook(tmp_path).of(TODAY)
