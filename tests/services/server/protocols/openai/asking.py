"""How the tests of this protocol ask an app in this process."""

import asyncio
import json
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import httpx

from rondo_services.local import LocalSuite

Connect = Callable[..., AbstractAsyncContextManager[httpx.AsyncClient]]
Complete = Callable[..., dict[str, Any]]


def ask(suite: LocalSuite, connect: Connect, method: str, path: str, **options: Any) -> httpx.Response:
    async def one() -> httpx.Response:
        async with connect(suite) as client:
            return await client.request(method, path, **options)

    return asyncio.run(one())


def complete(suite: LocalSuite, connect: Connect, **body: Any) -> dict[str, Any]:
    """The completion of a request that must succeed."""
    reply = ask(suite, connect, "POST", "/v1/completions", json={"model": "generation", **body})
    assert reply.status_code == 200, reply.text
    content: dict[str, Any] = reply.json()
    return content


def texts(completion: dict[str, Any]) -> list[str]:
    assert [choice["index"] for choice in completion["choices"]] == list(range(len(completion["choices"])))
    return [choice["text"] for choice in completion["choices"]]


def chunks(suite: LocalSuite, connect: Connect, **body: Any) -> list[dict[str, Any]]:
    """The chunks of a stream that must end well."""
    reply = ask(suite, connect, "POST", "/v1/completions", json={"model": "generation", "stream": True, **body})
    assert reply.status_code == 200, reply.text
    assert reply.headers["content-type"].startswith("text/event-stream")
    lines = [line.removeprefix("data: ") for line in reply.text.removesuffix("\n\n").split("\n\n")]
    assert lines.pop() == "[DONE]"
    return [json.loads(line) for line in lines]
