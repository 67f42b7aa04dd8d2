"""What a process does once it has loaded what stays."""

import gc
from collections.abc import Iterator

import pytest

from rondo_services import settling
from rondo_services.settling import settle


@pytest.fixture(autouse=True)
def _thaw() -> Iterator[None]:
    yield
    gc.unfreeze()


def test_what_is_there_is_not_looked_through() -> None:
    before = gc.get_freeze_count()
    settle()
    assert gc.get_freeze_count() > before


def test_what_loading_took_is_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    given_back: list[bool] = []
    monkeypatch.setattr(settling, "give_memory_back", lambda: given_back.append(True))
    settle()
    assert given_back
