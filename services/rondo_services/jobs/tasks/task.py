"""What a job's worker needs of a service: the answers to items, as plain values for the output."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol

from ...engine.requests import Work
from ..items import BadItem, Item

Ask = Callable[[Sequence[Work]], Awaitable[list[Any]]]
"""The engine's answers, in order, however many there are."""

Fields = Mapping[str, Any]
"""What an output line says of an item besides the item itself; plain values."""


class Task(Protocol):
    """A service with a job's options."""

    async def answer(self, items: Sequence[Item], ask: Ask) -> list[Fields | BadItem]:
        """One for each item, in order.

        Raises what `ask` does: then none of them is answered.
        """
