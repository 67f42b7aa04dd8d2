"""Clients that ask without a pause, and how each request ended."""

import asyncio
import json
import time
from collections import Counter
from contextlib import suppress

import httpx
from tests.soak.requests import DOCUMENTED, IN_MID_STREAM, Asked, Mix

LEFT, LOST, UNDOCUMENTED = "left", "lost", "not documented"
_LONGEST_S = 120.0
_KEEP_ALIVE_S = 2.0
"""Less than the server's five: a request that crosses the closing of an idle connection is nobody's fault."""
_COME_AGAIN_LATER = ("429", "503", LOST)
_PAUSE_S = 0.2


class Undocumented(Exception):
    """A request ended in a way that no document tells of."""


def _code_of(content: str, documented: frozenset[str]) -> str:
    """The code of an error.

    Raises:
        Undocumented: it has another code, or not the one shape of an error.
    """
    with suppress(ValueError, KeyError, TypeError):
        if (code := str(json.loads(content)["error"]["code"])) in documented:
            return code
    raise Undocumented(content[:200])


def _end_of_stream(content: str) -> str:
    """How a stream ended that began with 200.

    Raises:
        Undocumented: it broke off, or its last event is no documented error.
    """
    events = content.removesuffix("\n\n")
    if events == content:
        raise Undocumented(f"a stream broke off: {content[-200:]}")
    last = events.rpartition("\n\n")[2].removeprefix("data: ")
    return "200" if last == "[DONE]" else f"200, then {_code_of(last, IN_MID_STREAM)}"


async def _end_of(client: httpx.AsyncClient, asked: Asked) -> str:
    """How a request ended, in a word or two.

    Raises:
        Undocumented: as no document says.
        httpx.HTTPError: without a whole reply.
    """
    body = asked.content if isinstance(asked.content, bytes) else json.dumps(asked.content).encode()
    headers = {"content-type": "application/json", **asked.headers}
    reply = await client.request(asked.method, asked.path, content=body, headers=headers)
    status, content = reply.status_code, reply.text
    if status not in asked.statuses:
        raise Undocumented(f"{status} {content[:200]}")
    if status != 200:
        return f"{status} {_code_of(content, DOCUMENTED[status])}"
    return _end_of_stream(content) if asked.streams else "200"


class Traffic:
    """All clients together.

    Attributes:
        ended: number of requests by kind and by how they ended.
        lost: requests without a whole reply, in words.
        undocumented: requests that ended as no document says, in words.
    """

    def __init__(self, base_url: str, clients: int, seed: int) -> None:
        self.ended: Counter[tuple[str, str]] = Counter()
        self.lost: list[str] = []
        self.undocumented: list[str] = []
        self._base_url = base_url
        self._mixes = [Mix(seed * clients + number) for number in range(clients)]

    async def run(self, seconds: float) -> None:
        """Ask for so long; what is in flight then is waited for."""
        limits = httpx.Limits(max_connections=None, keepalive_expiry=_KEEP_ALIVE_S)
        until = time.monotonic() + seconds
        async with (
            httpx.AsyncClient(base_url=self._base_url, timeout=_LONGEST_S, limits=limits) as client,
            asyncio.TaskGroup() as group,
        ):
            for mix in self._mixes:
                group.create_task(self._one_client(client, mix, until))

    async def _one_client(self, client: httpx.AsyncClient, mix: Mix, until: float) -> None:
        while time.monotonic() < until:
            asked = mix.draw()
            where = f"{asked.kind} {asked.method} {asked.path}"
            try:
                async with asyncio.timeout(asked.leaves_after_s):
                    end = await _end_of(client, asked)
            except TimeoutError:
                end = LEFT
            except httpx.HTTPError as error:
                end = LOST
                self.lost.append(f"{where}: {type(error).__name__} {error}")
            except Undocumented as error:
                end = UNDOCUMENTED
                self.undocumented.append(f"{where}: {error}")
            self.ended[asked.kind, end] += 1
            if end.startswith(_COME_AGAIN_LATER):
                await asyncio.sleep(_PAUSE_S)
