"""A batch job's way to the engine: everybody else goes first, and no refusal is final."""

import asyncio
from collections import deque
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, Protocol

from ..engine.requests import Generate, Work, num_tokens_of
from ..engine.scheduler import Limits, portions
from ..errors import EngineRestarted, Overloaded
from ..suite import Suite, Terms
from .room import Room

_MOST_RESTARTS = 3
_LONGEST_PAUSE_S = 2.0

_ALIKE = 256
"""Works of like length that are asked for one after the other, whoever asks."""

_TOGETHER = 65_536
"""Tokens that are put in order together: many are cheap to read, but then their chunks are all done only at the end."""

_FEW = 2
"""Once at most the half of these is still in the engine, the next ones are begun, lest it run dry meanwhile."""


class Run(Protocol):
    """Asks the engine, once; raises as `Suite.run` does."""

    async def __call__(self, works: Sequence[Work], /) -> list[Any]:
        """The engine's answers, in order."""


class Asker(Protocol):
    """Gets answers for a job, however long that takes."""

    async def ask(self, works: Sequence[Work]) -> list[Any]:
        """The engine's answers, in order, however many there are.

        Raises:
            EngineRestarted: the engine died again and again.
            RondoError: what else one of them ended in.
        """


class _Asked:
    """Works that somebody waits for.

    Attributes:
        parts: places of the works that are asked for together, and their answers to come; set once it is their turn.
    """

    def __init__(self, works: Sequence[Work]) -> None:
        self.works = works
        self.parts: asyncio.Future[list[tuple[list[int], asyncio.Task[list[Any]]]]]
        self.parts = asyncio.get_running_loop().create_future()


class PatientAsker:
    """Asks for at most so much at once, of all that ask together, and again after a refusal or a restart.

    What comes while the engine has enough to do is collected, and then asked for longest first, whoever asked: texts of
    like length cost the engine least. Each part is one asker's, so that its failure is nobody else's.

    Args:
        run: asks the engine at batch priority.
        most_works, most_tokens: that are in the engine together; one work may be larger.
    """

    def __init__(self, run: Run, limits: Limits, most_works: int) -> None:
        self._run = run
        self._most_works = min(most_works, limits.max_waiting)
        self._most_tokens = limits.max_waiting_tokens
        self._waiting: deque[_Asked] = deque()
        self._begun = 0
        self._room = Room(self._most_works, self._most_tokens)

    async def ask(self, works: Sequence[Work]) -> list[Any]:
        """As `Asker`."""
        if not works:
            return []
        asked = _Asked(works)
        self._waiting.append(asked)
        self._begin()
        try:
            parts = await asked.parts
        except asyncio.CancelledError:
            if asked in self._waiting:
                self._waiting.remove(asked)
            elif asked.parts.done() and not asked.parts.cancelled():
                for _, task in asked.parts.result():
                    task.cancel()
            raise
        answers: list[Any] = [None] * len(works)
        found = await asyncio.gather(*(task for _, task in parts))
        for (places, _), own in zip(parts, found, strict=True):
            for place, answer in zip(places, own, strict=True):
                answers[place] = answer
        return answers

    def _begin(self) -> None:
        """Ask for what waits, about as much as may be in the engine, once little is there."""
        if self._begun > _TOGETHER // _FEW:
            return
        waiting: list[_Asked] = []
        size = 0
        while self._waiting and size < _TOGETHER:
            asked = self._waiting.popleft()
            if not asked.parts.cancelled():
                waiting.append(asked)
                size += self._size(asked.works)
        begun: dict[_Asked, list[tuple[list[int], asyncio.Task[list[Any]]]]] = {asked: [] for asked in waiting}
        for asked, places in self._parts(waiting):
            works = [asked.works[place] for place in places]
            self._begun += (size := self._size(works))
            task = asyncio.create_task(self._some(works))
            task.add_done_callback(partial(self._end, size))
            begun[asked].append((places, task))
        for asked, parts in begun.items():
            asked.parts.set_result(parts)

    def _end(self, size: int, _: "asyncio.Task[list[Any]]") -> None:
        self._begun -= size
        self._begin()

    def _size(self, works: Sequence[Work]) -> int:
        """Tokens; of many short works as if they had more, so that they are not more than may be in the engine."""
        least = _TOGETHER // self._most_works
        return sum(max(least, _num_tokens(work)) for work in works)

    def _parts(self, waiting: Sequence[_Asked]) -> Iterator[tuple[_Asked, list[int]]]:
        """Longest first; one work that is more than may wait together is asked for alone."""
        ordered = sorted(
            ((num_tokens_of(work), asked, place) for asked in waiting for place, work in enumerate(asked.works)),
            key=lambda one: -one[0],
        )
        most_works, most_tokens = min(_ALIKE, max(1, self._most_works // 4)), self._most_tokens // 4
        for begin in range(0, len(ordered), most_works):
            alike: dict[_Asked, list[tuple[int, int]]] = {}
            for tokens, asked, place in ordered[begin : begin + most_works]:
                alike.setdefault(asked, []).append((tokens, place))
            for asked, own in alike.items():
                part: list[int] = []
                total = 0
                for tokens, place in own:
                    if part and total + tokens > most_tokens:
                        yield asked, part
                        part, total = [], 0
                    part.append(place)
                    total += tokens
                yield asked, part

    async def _some(self, works: Sequence[Work]) -> list[Any]:
        async with self._room.taken(len(works), sum(map(num_tokens_of, works))):
            return await _answers(self._run, works)


class SerialAsker:
    """Asks for one part after the other, so that each has the same company whenever it is asked for: none but its own.

    For engines in which the last bits of an answer depend on what else is read and written, if nobody else asks them.

    Args:
        run: asks the engine at batch priority.
    """

    def __init__(self, run: Run, limits: Limits) -> None:
        self._run = run
        self._limits = limits
        self._turn = asyncio.Lock()

    async def ask(self, works: Sequence[Work]) -> list[Any]:
        """As `Asker`."""
        answers: list[Any] = []
        async with self._turn:
            for part in portions(works, self._limits):
                answers += await _answers(self._run, part)
        return answers


async def _answers(run: Run, works: Sequence[Work]) -> list[Any]:
    """Ask again after a refusal, and a few times after a restart."""
    restarts, pause_s = 0, 0.05
    while True:
        try:
            return await run(works)
        except Overloaded:
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
        except EngineRestarted as error:
            restarts += 1
            if restarts > _MOST_RESTARTS:
                raise
            pause_s = float(error.retry_after_s)
        await asyncio.sleep(pause_s)


def _num_tokens(work: Work) -> int:
    """To be read, and that a continuation may have."""
    return num_tokens_of(work) + (work.parameters.max_tokens if isinstance(work, Generate) else 0)


def batch_asker(suite: Suite) -> Asker:
    """Asks a suite's engine, which nobody else asks, at batch priority, on the loop that this is called on."""

    async def run(works: Sequence[Work]) -> list[Any]:
        return await suite.run(works, Terms(None, "batch"))

    if suite.engine.is_batch_invariant:
        return PatientAsker(run, suite.engine.limits, suite.engine.limits.max_waiting)
    return SerialAsker(run, suite.engine.limits)
