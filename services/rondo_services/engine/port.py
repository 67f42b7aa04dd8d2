"""What the services need of an engine, wherever it runs."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from rondo_models.config import Precision

from .requests import OnToken, Priority, Ticket, Work
from .scheduler import Limits


class PlaceKeeper(Protocol):
    """Has a queue for requests."""

    def places(self, count: int) -> AbstractContextManager[None]:
        """Keep places in the queue for requests that are being made ready.

        Raises:
            Overloaded: there are not so many.
        """


class EnginePort(PlaceKeeper, Protocol):
    """Takes requests, answers by their tickets."""

    @property
    def limits(self) -> Limits:
        """How much it takes on."""

    @property
    def precision(self) -> Precision:
        """The number format in which it reads."""

    @property
    def is_batch_invariant(self) -> bool:
        """Whether an answer is the same, bit for bit, whatever else is read and written with it."""

    @property
    def is_alive(self) -> bool:
        """Whether requests will be answered."""

    def submit_all(
        self,
        works: Sequence[Work],
        *,
        deadline: float | None = None,
        priority: Priority = "interactive",
        on_token: Sequence[OnToken | None] = (),
    ) -> list[Ticket]:
        """Queue several requests, all or none; `on_token` has none or one for each.

        Raises:
            Overloaded: the queue is full.
            InvalidInput: no such head, no ids, or one that is not in the vocabulary.
            EngineFailed: the engine has stopped.
        """

    async def stop(self, grace_s: float) -> None:
        """Take no more requests, let those taken end within `grace_s`, then end the others."""
