"""Translations that let everybody else go first."""

import asyncio
import time
from collections.abc import Sequence
from functools import partial
from typing import Any

from starlette.concurrency import run_in_threadpool

from ...engine.requests import Search
from ...errors import EngineRestarted, Overloaded, TimedOut
from ...releases.fleet import Fleet
from ...releases.release import label_of
from ...schema import as_list
from ...suite import Suite, Terms
from ...translation.schema import TranslateRequest, TranslationResult
from ...translation.service import TranslationOptions
from ..limits import check_size

_SENTENCES_AT_ONCE = 16
"""Twice as many took a file half as long, and others waited twice as long for a sentence."""

_MOST_RESTARTS = 3


class UnhurriedTranslation:
    """Few sentences at once, of all who ask together, at batch priority; a full queue is waited for.

    Args:
        longest: tokens of one sentence.
    """

    def __init__(self, fleet: Fleet, longest: int) -> None:
        self._fleet = fleet
        self._longest = longest
        self._turn = asyncio.Lock()

    async def translate(
        self, request: TranslateRequest, deadline: float, releases: dict[str, None]
    ) -> list[TranslationResult]:
        """The translation of each text, all by the same release, whose name is put into `releases`.

        Raises:
            TimedOut: it was not ready at the deadline, a second of the monotonic clock.
            InvalidInput, NotServed, EngineFailed: as other translations do.
        """
        options = TranslationOptions.of(request)
        with self._fleet.lent("translation") as suite:
            service = suite.translation
            assert service is not None, "what is found by a service has it"
            releases[label_of(suite)] = None
            plans = await run_in_threadpool(lambda: [service.plan(text, options) for text in as_list(request.text)])
            return await service.translate(plans, partial(self._answers, suite=suite, terms=Terms(deadline, "batch")))

    async def _answers(self, works: Sequence[Search], suite: Suite, terms: Terms) -> list[Any]:
        answers: list[Any] = []
        at_once = min(_SENTENCES_AT_ONCE, suite.engine.limits.max_waiting)
        for begin in range(0, len(works), at_once):
            some = works[begin : begin + at_once]
            check_size(some, self._longest, suite.engine.limits, "file")
            async with self._turn:
                answers += await _run(suite, some, terms)
        return answers


async def _run(suite: Suite, works: Sequence[Search], terms: Terms) -> list[Any]:
    restarts = 0
    while terms.deadline is None or time.monotonic() < terms.deadline:
        try:
            return await suite.run(works, terms)
        except Overloaded as error:
            wait_s = error.retry_after_s
        except EngineRestarted as error:
            restarts += 1
            if restarts > _MOST_RESTARTS:
                raise
            wait_s = error.retry_after_s
        await asyncio.sleep(wait_s)
    raise TimedOut("the deadline passed before the file was translated")
