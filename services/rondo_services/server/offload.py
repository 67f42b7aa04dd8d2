"""Text → work for the engine, with places in its queue kept meanwhile, and the event loop free.

Short texts are tokenised at once, long ones on a thread.
"""

import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from starlette.concurrency import run_in_threadpool

from ..engine.port import EnginePort
from ..timing import request_times

T = TypeVar("T")
_AT_ONCE_CHARACTERS = 20_000


async def planned(engine: EnginePort, plan: Callable[[str], T], texts: Sequence[str]) -> list[T]:
    """`plan` of each text.

    Raises:
        Overloaded: there is no place for them; nothing was tokenised.
    """

    times = request_times.get()

    def all_planned() -> list[T]:
        began = time.monotonic()
        plans = [plan(text) for text in texts]
        if times is not None:
            times.tokenize_s += time.monotonic() - began
        return plans

    with engine.places(len(texts)):
        if sum(map(len, texts)) <= _AT_ONCE_CHARACTERS:
            return all_planned()
        return await run_in_threadpool(all_planned)
