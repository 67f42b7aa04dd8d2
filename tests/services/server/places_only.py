"""An engine of which only the places are there."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rondo_models.config import Precision
from rondo_services.engine.port import EnginePort
from rondo_services.engine.requests import Ticket
from rondo_services.engine.scheduler import Limits
from rondo_services.errors import Overloaded


class PlacesOnly(EnginePort):
    """Has `free` places, and calls `refused` with the number of those that it could not give."""

    limits = Limits()
    precision: Precision = "float32"
    is_batch_invariant = False
    is_alive = True

    def __init__(self, free: int, refused: Callable[[int], None] = lambda count: None) -> None:
        self.free = free
        self._refused = refused

    @contextmanager
    def places(self, count: int) -> Iterator[None]:
        if count > self.free:
            self._refused(count)
            raise Overloaded("the queue is full; try again later", retry_after_s=3)
        self.free -= count
        try:
            yield
        finally:
            self.free += count

    def submit_all(self, *args: Any, **options: Any) -> list[Ticket]:
        raise AssertionError

    async def stop(self, grace_s: float) -> None:
        raise AssertionError
