"""Room that is entered in turns."""

import asyncio
import random

import pytest

from rondo_services.jobs.room import Room

TIMEOUT_S = 5.0


async def _visit(room: Room, works: int, tokens: int, seen: list[tuple[int, int]], name: int) -> None:
    async with room.taken(works, tokens):
        seen.append((name, works))
        await asyncio.sleep(0)


def test_those_that_fit_are_in_together_and_others_come_in_order() -> None:
    inside: list[int] = []
    most = 0

    async def visit(room: Room, works: int, order: list[int], name: int) -> None:
        nonlocal most
        async with room.taken(works, works):
            order.append(name)
            inside.append(works)
            most = max(most, sum(inside))
            await asyncio.sleep(0.001 * (name % 3))
            inside.remove(works)

    async def all_of_them() -> list[int]:
        room, order, rng = Room(10, 10), list[int](), random.Random(0)
        async with asyncio.timeout(TIMEOUT_S):
            await asyncio.gather(*(visit(room, rng.randint(1, 6), order, name) for name in range(200)))
        return order

    order = asyncio.run(all_of_them())
    assert order == list(range(200))
    assert 6 < most <= 10


def test_what_never_fits_goes_alone() -> None:
    async def visits() -> list[tuple[int, int]]:
        room, seen = Room(4, 40), list[tuple[int, int]]()
        async with asyncio.timeout(TIMEOUT_S):
            await asyncio.gather(*(_visit(room, works, 1, seen, n) for n, works in enumerate((2, 99, 3))))
        return seen

    assert asyncio.run(visits()) == [(0, 2), (1, 99), (2, 3)]


@pytest.mark.parametrize("let_in", [True, False])
def test_whoever_stops_waiting_holds_up_nobody(let_in: bool) -> None:
    """Also if it was let in at the same moment."""

    async def visits() -> list[tuple[int, int]]:
        room, seen = Room(2, 100), list[tuple[int, int]]()
        async with asyncio.timeout(TIMEOUT_S):
            async with room.taken(2, 1):
                first = asyncio.create_task(_visit(room, 2, 1, seen, 1))
                second = asyncio.create_task(_visit(room, 2, 1, seen, 2))
                await asyncio.sleep(0)
                if not let_in:
                    first.cancel()
            first.cancel()
            await asyncio.gather(first, second, return_exceptions=True)
            await _visit(room, 2, 1, seen, 3)
        return seen

    assert asyncio.run(visits()) == [(2, 2), (3, 2)]
