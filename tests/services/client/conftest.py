"""Both clients through a fake transport, behind one interface."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from rondo_services.client import AsyncClient, Client

ADDRESS = "http://rondo.test"
Handler = Callable[[httpx.Request], httpx.Response]


@dataclass(frozen=True, slots=True)
class Asker:
    """Asks with one of the clients; `pauses` are the seconds that it waited between attempts, which took no time."""

    kind: str
    pauses: list[float]

    def ask(self, handler: Handler, operation: str, *given: Any, settings: Any = None, **options: Any) -> Any:
        """What a method of the client returns; of a stream the list of its pieces."""
        transport = httpx.MockTransport(handler)
        if self.kind == "sync":
            with Client(ADDRESS, transport=transport, **(settings or {})) as client:
                answer = getattr(client, operation)(*given, **options)
                return list(answer) if operation.endswith("_stream") else answer

        async def scenario() -> Any:
            async with AsyncClient(ADDRESS, transport=transport, **(settings or {})) as client:
                answer = getattr(client, operation)(*given, **options)
                return [piece async for piece in answer] if operation.endswith("_stream") else await answer

        return asyncio.run(scenario())


@pytest.fixture(params=["sync", "async"])
def asker(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Asker:
    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    monkeypatch.setattr(time, "sleep", pauses.append)
    monkeypatch.setattr(asyncio, "sleep", sleep)
    return Asker(request.param, pauses)
