"""A worker's process ends when its engine stays down, and not when that is only started anew."""

import asyncio
from collections.abc import Iterator
from typing import Any, cast

import pytest

from rondo_services.engine.port import EnginePort
from rondo_services.jobs import process


class Engine:
    """Is alive as it is told at each look; at last it gives up looking."""

    def __init__(self, looks: Iterator[bool]) -> None:
        self._looks = looks

    @property
    def is_alive(self) -> bool:
        found = next(self._looks, None)
        if found is None:
            raise TimeoutError
        return found


@pytest.fixture(autouse=True)
def short_times(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "_LOOK_EVERY_S", 0.001)
    monkeypatch.setattr(process, "_LONGEST_DOWN_S", 0.0035)


async def _stops(*looks: bool) -> bool:
    stop = asyncio.Event()
    try:
        await process._until_down(cast(EnginePort, cast(Any, Engine(iter(looks)))), stop)
    except TimeoutError:
        return False
    return stop.is_set()


@pytest.mark.parametrize(
    ("looks", "stops"),
    [
        ([True] * 20, False),
        ([False, False, False, True] * 5, False),
        ([True, False, False, False, False], True),
    ],
)
def test_it_ends_only_when_the_engine_is_down_for_long(looks: list[bool], stops: bool) -> None:
    assert asyncio.run(_stops(*looks)) is stops
