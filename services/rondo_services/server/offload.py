"""Keeps the event loop free: short texts are tokenised at once, long ones on a thread."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from starlette.concurrency import run_in_threadpool

T = TypeVar("T")
_AT_ONCE_CHARACTERS = 20_000


async def planned(plan: Callable[[str], T], texts: Sequence[str]) -> list[T]:
    """`plan` of each text."""

    def all_planned() -> list[T]:
        return [plan(text) for text in texts]

    if sum(map(len, texts)) <= _AT_ONCE_CHARACTERS:
        return all_planned()
    return await run_in_threadpool(all_planned)
