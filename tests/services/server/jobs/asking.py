"""How the tests of jobs send files, and wait for what comes of them."""

import asyncio
import json
from collections.abc import Sequence
from typing import Any

import httpx

COMPLETIONS = "/v1/completions"
_TIMEOUT_S = 60


async def sent(
    client: httpx.AsyncClient,
    data: str | bytes,
    purpose: str = "job",
    name: str = "reviews.jsonl",
    headers: dict[str, str] | None = None,
    more: dict[str, str] | None = None,
) -> dict[str, Any]:
    """A file that the server has taken.

    Args:
        more: fields of the form.
    """
    fields = {"purpose": purpose, **(more or {})}
    reply = await client.post("/v1/files", files={"file": (name, data)}, data=fields, headers=headers)
    assert reply.status_code == 200, reply.text
    content: dict[str, Any] = reply.json()
    return content


def requests(bodies: Sequence[dict[str, Any]], url: str = COMPLETIONS) -> str:
    """A file of requests with ids 0, 1, …"""
    lines = [{"custom_id": str(n), "method": "POST", "url": url, "body": body} for n, body in enumerate(bodies)]
    return "".join(json.dumps(line) + "\n" for line in lines)


async def batch_of(
    client: httpx.AsyncClient,
    data: str,
    endpoint: str = COMPLETIONS,
    headers: dict[str, str] | None = None,
    **more: Any,
) -> dict[str, Any]:
    """A batch that the server has taken."""
    file = await sent(client, data, "batch", headers=headers)
    body = {"input_file_id": file["id"], "endpoint": endpoint, "completion_window": "24h", **more}
    reply = await client.post("/v1/batches", json=body, headers=headers)
    assert reply.status_code == 200, reply.text
    content: dict[str, Any] = reply.json()
    return content


async def ended(client: httpx.AsyncClient, path: str, headers: dict[str, str] | None = None) -> dict[str, Any]:
    """A job or batch, once it has ended."""
    async with asyncio.timeout(_TIMEOUT_S):
        while True:
            content: dict[str, Any] = (await client.get(path, headers=headers)).json()
            if content.get("state", content.get("status")) in (
                *("done", "completed", "failed", "cancelled", "expired"),
            ):
                return content
            await asyncio.sleep(0.02)


async def lines_of(client: httpx.AsyncClient, file_id: str) -> list[dict[str, Any]]:
    """What a file of the server has."""
    reply = await client.get(f"/v1/files/{file_id}/content")
    assert reply.status_code == 200, reply.text
    return [json.loads(line) for line in reply.text.splitlines()]
