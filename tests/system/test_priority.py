"""A flood of batch requests lets an interactive one go first."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Protocol

import httpx

NUM_ROWS = 16
NUM_FLOOD = 8
OPTIONS: dict[str, Any] = {"max_tokens": 40, "temperature": 0, "repetition_penalty": 0.01, "frequency_penalty": -2}


class Server(Protocol):
    """What `launch` in conftest.py yields."""

    @property
    def client(self) -> httpx.Client: ...

    def wait_for_metric(self, name: str, holds: Callable[[float], bool]) -> None: ...


Launch = Callable[..., AbstractContextManager[Server]]


async def _answered_before(server: Server, priority_of_the_flood: str) -> int:
    """How many of the flood's requests are answered between the asking and the answer of a single one."""
    answered: list[str] = []
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(base_url=server.client.base_url, timeout=60.0, limits=limits) as client:

        async def ask(name: str, num_prompts: int, priority: str) -> None:
            body = {"prompt": ["The film"] * num_prompts, **OPTIONS}
            reply = await client.post("/v1/generate", json=body, headers={"X-Priority": priority})
            assert reply.status_code == 200
            answered.append(name)

        async with asyncio.TaskGroup() as group:
            for _ in range(NUM_FLOOD):
                group.create_task(ask("flood", NUM_ROWS, priority_of_the_flood))
            most_of_the_flood = NUM_ROWS * NUM_FLOOD / 2
            await asyncio.to_thread(
                server.wait_for_metric, "rondo_num_requests_waiting", lambda waiting: waiting >= most_of_the_flood
            )
            before = len(answered)
            group.create_task(ask("single", 1, "interactive"))
    return answered.index("single") - before


def test_a_flood_of_batch_requests_lets_an_interactive_one_go_first(launch: Launch) -> None:
    """Each of the flood takes all rows: one may end before there is a place, another before the answer is there."""
    with launch("--services", "generation", settings={"max_rows": str(NUM_ROWS)}) as server:
        assert asyncio.run(_answered_before(server, "batch")) <= 2
        assert asyncio.run(_answered_before(server, "interactive")) >= NUM_FLOOD / 2
