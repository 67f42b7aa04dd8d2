"""`/v1/summarize` with the method extract, its job, and the model that other protocols see."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import httpx
import pytest
from tests.approximately import approximately

from rondo_services.errors import InvalidInput, NotServed
from rondo_services.jobs.asking import batch_asker
from rondo_services.jobs.items import BadItem, Item
from rondo_services.jobs.spec import JobInput, JobSpec
from rondo_services.jobs.tasks.choice import task_of
from rondo_services.local import LocalSuite
from rondo_services.server.served_bundles import warm_up
from rondo_services.server.settings import ServerSettings

Connect = Callable[..., AbstractAsyncContextManager[httpx.AsyncClient]]
TEXT = "The boat, on the river, is late today. A slow train\nis a late train."


def _ask(
    suite: LocalSuite, connect: Connect, path: str, body: dict[str, Any] | None, **settings: Any
) -> httpx.Response:
    async def ask() -> httpx.Response:
        async with connect(suite, ServerSettings(**settings)) as client:
            return await (client.get(path) if body is None else client.post(path, json=body))

    return asyncio.run(ask())


def test_the_server_shortens(shortening: LocalSuite, connect: Connect) -> None:
    reply = _ask(shortening, connect, "/v1/summarize", {"text": [TEXT, "", "Boat."], "method": "extract"})
    assert reply.status_code == 200, reply.text
    body = reply.json()
    assert body["model"] == "short/compression"
    first, empty, _ = body["results"]
    assert (empty["summary"], empty["kept"]) == ("", [])
    kept = [TEXT[part["begin"] : part["end"]] for part in first["kept"]]
    assert 0 < len("".join(kept)) < len(TEXT)
    assert "".join(first["summary"].split()) == "".join("".join(kept).split())
    single = _ask(shortening, connect, "/v1/summarize", {"text": TEXT, "method": "extract"}).json()["results"]
    assert single == approximately([first])


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        ({"method": "extract", "max_tokens": 5}, 422, "max_tokens: only with the method write"),
        ({"method": "shorten"}, 422, "'write', 'choose' or 'extract'"),
        ({}, 422, "nothing here has the service summarization; there are compression"),
        ({"method": "extract", "model": "long/compression"}, 404, "long/compression"),
    ],
)
def test_what_it_cannot_do_is_refused(
    shortening: LocalSuite, connect: Connect, body: dict[str, Any], status: int, message: str
) -> None:
    reply = _ask(shortening, connect, "/v1/summarize", {"text": TEXT, **body})
    assert reply.status_code == status, reply.text
    assert message in reply.text


def test_a_bundle_without_the_head_says_so(suite: LocalSuite, connect: Connect) -> None:
    reply = _ask(suite, connect, "/v1/summarize", {"text": TEXT, "method": "extract"})
    assert reply.status_code == 422
    assert "nothing here has the service compression; there are sentiment, generation," in reply.text
    tensor = {"name": "text", "shape": [1], "datatype": "BYTES", "data": [TEXT]}
    named = {"inputs": [tensor], "parameters": {"method": "extract"}}  # by the path, before the method is looked at
    reply = _ask(suite, connect, "/v2/models/summarization/infer", named)
    assert reply.status_code == 400
    assert "tiny has no service compression, so method can't be extract" in reply.text
    with pytest.raises(NotServed, match="the bundle has no compression service"):
        task_of(_spec(), suite)


def test_a_sentence_that_is_too_long_is_refused(shortening: LocalSuite, connect: Connect) -> None:
    body = {"text": "boat " * 80, "method": "extract"}
    reply = _ask(shortening, connect, "/v1/summarize", body, max_text_tokens=64)
    assert reply.status_code == 422
    assert "tokens in one piece; at most 64" in reply.text


def test_it_is_a_model_of_other_protocols(shortening: LocalSuite, connect: Connect) -> None:
    models = _ask(shortening, connect, "/v1/models", None).json()["data"]
    assert "short/compression" in [model["id"] for model in models]
    tensor = {"name": "text", "shape": [1], "datatype": "BYTES", "data": [TEXT]}
    reply = _ask(shortening, connect, "/v2/models/compression/infer", {"inputs": [tensor]})
    assert reply.status_code == 200, reply.text
    outputs = {output["name"]: output["data"] for output in reply.json()["outputs"]}
    native = _ask(shortening, connect, "/v1/summarize", {"text": TEXT, "method": "extract"}).json()["results"][0]
    assert outputs["summary"] == [native["summary"]]
    assert outputs["kept"][0].count('"begin"') == len(native["kept"])
    assert _ask(shortening, connect, "/v2/models/compression", None).json()["inputs"][0]["name"] == "text"


def _spec(**options: Any) -> JobSpec:
    own = {"method": "extract", **options}
    return JobSpec(service="summarization", input=JobInput(source="texts.txt"), options=own)


def test_a_job_shortens_as_the_server_does(shortening: LocalSuite, connect: Connect) -> None:
    items = [Item(0, 1, TEXT), Item(1, 2, "a \ud800 boat"), Item(2, 3, "A slow train.")]

    async def ask() -> list[Any]:
        return await task_of(_spec(), shortening).answer(items, batch_asker(shortening).ask)

    first, bad, last = asyncio.run(ask())
    assert isinstance(bad, BadItem)
    texts = [TEXT, "A slow train."]
    results = _ask(shortening, connect, "/v1/summarize", {"text": texts, "method": "extract"}).json()["results"]
    assert [first, last] == approximately(results)


def test_a_job_has_no_settings_of_writing(shortening: LocalSuite) -> None:
    with pytest.raises(InvalidInput, match="length_penalty: only with the method write"):
        task_of(_spec(length_penalty=2.0), shortening)


def test_it_is_warmed_up(shortening: LocalSuite) -> None:
    asyncio.run(warm_up(shortening))
