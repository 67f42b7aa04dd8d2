"""A process that serves or does jobs looks for garbage seldom."""

import gc
from collections.abc import Iterator

import pytest

from rondo_services.collecting import collect_seldom


@pytest.fixture(autouse=True)
def usual_settings() -> Iterator[None]:
    thresholds = gc.get_threshold()
    yield
    gc.set_threshold(*thresholds)
    gc.unfreeze()


def test_what_is_there_is_not_looked_through_again() -> None:
    kept = [[number] for number in range(1000)]
    collect_seldom()
    assert gc.get_freeze_count() >= len(kept)
    assert not any(own is kept for own in gc.get_objects())


def test_a_full_queue_is_not_looked_through_all_the_time() -> None:
    collect_seldom()
    before = gc.get_stats()[2]["collections"]
    waiting = [[number] for number in range(200_000)]  # a queue's objects, which stay meanwhile
    assert gc.get_stats()[2]["collections"] == before
    assert len(waiting) == 200_000


def test_garbage_is_still_found() -> None:
    collect_seldom()
    before = gc.get_stats()[0]["collected"]
    for _ in range(100_000):
        cycle: list[object] = []
        cycle.append(cycle)
    assert gc.get_stats()[0]["collected"] > before
