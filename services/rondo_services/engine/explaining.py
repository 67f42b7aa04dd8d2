"""The one text that is being explained, a part at a time between decoding steps.

One at a time, as what its gradients need is large; the others wait in the queue, where they count.
"""

import time
from collections.abc import Callable
from typing import cast

from rondo_models.model import RondoModel
from rondo_models.saliency import SaliencyWork

from ..errors import EngineFailed
from .requests import EXPLANATION_INTERVALS, Explain, Explained, Result, Ticket


class Explainer:
    """Works on one explanation.

    Args:
        answer: called with the finished request.
    """

    def __init__(self, model: RondoModel, answer: Callable[[Ticket, Result], None]) -> None:
        self._model = model
        self._answer = answer
        self._current: tuple[Ticket, SaliencyWork] | None = None
        self._left_s = 0.0

    @property
    def is_idle(self) -> bool:
        """Whether nothing is being explained."""
        return self._current is None

    @property
    def is_interactive(self) -> bool:
        """Whether an interactive request is being explained."""
        return self._current is not None and self._current[0].priority == "interactive"

    def being_explained(self) -> list[Ticket]:
        """The request, if there is one."""
        return [] if self._current is None else [self._current[0]]

    def begin(self, ticket: Ticket) -> None:
        """Take up an Explain; there must be none yet."""
        assert self._current is None
        work = cast("Explain", ticket.work)
        self._current = ticket, SaliencyWork(self._model, work.head, work.ids, EXPLANATION_INTERVALS)

    def advance(self, budget_s: float) -> None:
        """Go on for about so long; answer if it is done.

        A part may take longer than that. Then there is a pause of so many calls that on average the budget is kept.
        """
        self._left_s = min(self._left_s + budget_s, budget_s)
        while self._current is not None and self._left_s >= 0:
            began = time.monotonic()
            ticket, work = self._current
            try:
                work.advance()
            except Exception as error:
                self._current = None
                ticket.fail(EngineFailed(f"the model failed on this request: {error}"))
                return
            self._left_s -= time.monotonic() - began
            if (found := work.result) is not None:
                self._current = None
                self._answer(ticket, Explained(found.probabilities, found.tokens))

    def drop(self, unwanted: Callable[[Ticket], bool]) -> None:
        """Forget the request if `unwanted` says that nobody needs it."""
        if self._current is not None and unwanted(self._current[0]):
            self._current = None

    def fail(self, error: EngineFailed) -> None:
        """End the request with an error."""
        if self._current is not None:
            self._current[0].fail(error)
            self._current = None
