"""Both clients over the real app with a tiny model, without a network."""

import asyncio
from collections.abc import Iterator

import httpx
import pytest
from starlette.types import ASGIApp

from rondo_services.client import AsyncClient, Client, ServerError
from rondo_services.errors import InvalidInput, NotServed
from rondo_services.generation.schema import GeneratePiece, GenerateRequest
from rondo_services.inprocess import InProcess
from rondo_services.local import LocalSuite
from rondo_services.releases.fleet import Fleet
from rondo_services.sentiment.schema import SentimentReply, SentimentRequest
from rondo_services.server.app import create_app
from rondo_services.server.metrics import ServerMetrics
from rondo_services.server.settings import ServerSettings

ADDRESS = "http://rondo.test"
TEXTS = ["The boat is slow.", "The train is late today.", ""]


@pytest.fixture
def app(suite: LocalSuite) -> ASGIApp:
    return create_app(Fleet.of(suite), ServerSettings(), ServerMetrics())


@pytest.fixture
def client(app: ASGIApp) -> Iterator[Client]:
    with Client(ADDRESS, transport=InProcess(app)) as connected:
        yield connected


def test_texts_give_results_lists_give_lists_and_requests_give_replies(client: Client) -> None:
    results = client.sentiment(TEXTS)
    assert len(results) == len(TEXTS)
    assert client.sentiment(TEXTS[0]) == results[0]
    assert client.sentiment((TEXTS[0],)) == results[:1]  # type: ignore[call-overload]
    reply = client.sentiment(SentimentRequest(text=TEXTS[:2], explain=True))
    assert isinstance(reply, SentimentReply)
    assert [result.label for result in reply.results] == [result.label for result in results[:2]]
    assert all(result.tokens for result in reply.results)


def test_every_operation_answers(client: Client) -> None:
    translated = client.translate(TEXTS[:2], target="de", source="en", beam_size=2, alternatives=1, explain=True)
    assert [(result.source, result.target) for result in translated] == [("en", "de")] * 2
    assert all(result.alignment for result in translated)
    assert client.translate("<b>The boat</b>", target="de", source="en", format="html").translation.count("<b>") == 1
    in_terms = client.translate("The boat is slow.", target="de", source="en", glossary={"boat": "Kahn"})
    assert "Kahn" in in_terms.translation
    assert isinstance(client.summarize(TEXTS[0], max_tokens=3, beam_size=1).summary, str)
    generated = client.generate(TEXTS[:2], max_tokens=4, temperature=0)
    assert [result.usage.completion_tokens <= 4 for result in generated] == [True, True]
    assert [card.id for card in client.models().data]
    assert (client.live().status, client.ready().status) == ("live", "ready")


def test_a_stream_is_the_text(client: Client) -> None:
    whole = client.generate("The boat", max_tokens=12, seed=3)
    pieces = list(client.generate_stream("The boat", max_tokens=12, seed=3))
    assert "".join(piece.text for piece in pieces) == whole.text
    assert (pieces[-1].finish_reason, pieces[-1].usage) == (whole.finish_reason, whole.usage)
    both = list(client.generate_stream(GenerateRequest(prompt=TEXTS[:2], max_tokens=3, temperature=0)))
    assert {piece.index for piece in both} == {0, 1}


def test_many_prompts_get_the_random_numbers_of_one_request(client: Client) -> None:
    prompts = ["The boat"] * 300
    many = client.generate(prompts, max_tokens=3, seed=5, temperature=2)
    for number in (0, 255, 256, 299):
        assert client.generate("The boat", max_tokens=3, seed=5 + number, temperature=2) == many[number]


def test_refusals_are_the_domains_errors(client: Client) -> None:
    with pytest.raises(InvalidInput, match="at least 1 item") as caught:
        client.sentiment([])
    assert caught.value.field == "text"
    with pytest.raises(InvalidInput) as caught:
        client.sentiment([*TEXTS * 100, 1])  # type: ignore[list-item]
    assert caught.value.field == "text.300"
    with pytest.raises(NotServed, match="ko"):
        client.translate("The boat", target="ko", source="en")
    with pytest.raises(InvalidInput, match="unknown field"):
        client.sentiment("The boat", tone="kind")  # type: ignore[call-overload]
    with pytest.raises(InvalidInput, match="not valid Unicode"):
        client.sentiment("\ud800")


def test_a_path_that_is_not_there_is_an_error_of_the_server(app: ASGIApp) -> None:
    with Client(f"{ADDRESS}/elsewhere", transport=InProcess(app)) as client, pytest.raises(ServerError) as caught:
        client.sentiment("The boat")
    assert caught.value.status == 404


def test_the_asynchronous_client_answers_the_same(app: ASGIApp, client: Client) -> None:
    async def scenario() -> None:
        transport = httpx.ASGITransport(app)
        async with AsyncClient(ADDRESS, transport=transport) as asynchronous:
            texts = [f"{text} {number}" for number in range(200) for text in TEXTS]
            detected = [result.language for result in await asynchronous.sentiment(texts)]
            assert detected == [result.language for result in client.sentiment(texts)]
            german = await asynchronous.translate(TEXTS[0], target="de", source="en")
            assert german == client.translate(TEXTS[0], target="de", source="en")
            assert await asynchronous.summarize(TEXTS[0]) == client.summarize(TEXTS[0])
            request = GenerateRequest(prompt=TEXTS[0], max_tokens=12, seed=1)
            written = await asynchronous.generate(request)
            assert written == client.generate(request)
            pieces: list[GeneratePiece] = [piece async for piece in asynchronous.generate_stream(request)]
            assert "".join(piece.text for piece in pieces) == written.results[0].text
            assert await asynchronous.models() == client.models()
            assert (await asynchronous.live(), await asynchronous.ready()) == (client.live(), client.ready())
            with pytest.raises(InvalidInput) as caught:
                await asynchronous.sentiment([*TEXTS * 100, 1])  # type: ignore[list-item]
            assert caught.value.field == "text.300"

    asyncio.run(scenario())


class _Watched(httpx.SyncByteStream, httpx.AsyncByteStream):
    """An endless stream that knows whether it was closed."""

    closed = False

    def __iter__(self) -> Iterator[bytes]:
        while True:
            yield b'data: {"index":0,"text":"a"}\n\n'

    async def __aiter__(self):  # type: ignore[no-untyped-def]
        for content in self:
            yield content

    def close(self) -> None:
        self.closed = True

    async def aclose(self) -> None:
        self.closed = True


def test_closing_a_stream_closes_its_connection() -> None:
    stream = _Watched()
    with Client(ADDRESS, transport=httpx.MockTransport(lambda _: httpx.Response(200, stream=stream))) as client:
        pieces = client.generate_stream("The boat")
        assert next(pieces).text == "a"
        assert not stream.closed
        pieces.close()
        assert stream.closed


def test_closing_an_asynchronous_stream_closes_its_connection() -> None:
    async def scenario() -> None:
        stream = _Watched()
        transport = httpx.MockTransport(lambda _: httpx.Response(200, stream=stream))
        async with AsyncClient(ADDRESS, transport=transport) as client:
            pieces = client.generate_stream("The boat")
            assert (await anext(pieces)).text == "a"
            assert not stream.closed
            await pieces.aclose()
            assert stream.closed

    asyncio.run(scenario())


def test_a_closed_client_asks_nothing_more(app: ASGIApp) -> None:
    client = Client(ADDRESS, transport=InProcess(app))
    client.close()
    with pytest.raises(RuntimeError, match="closed"):
        client.live()


def test_the_others_are_given_up_when_one_part_is_refused() -> None:
    ended: list[str] = []

    async def handler(request: httpx.Request) -> httpx.Response:
        if b"wrong" in request.content:
            body = {"error": {"code": "invalid_input", "message": "text.0: wrong", "field": "text.0"}}
            return httpx.Response(422, json=body)
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("given up")
        raise AssertionError("never")

    async def scenario() -> None:
        async with AsyncClient(ADDRESS, transport=httpx.MockTransport(handler)) as client:
            with pytest.raises(InvalidInput) as caught:
                await client.sentiment(["a"] * 256 + ["wrong"])
            assert caught.value.field == "text.256"

    asyncio.run(scenario())
    assert ended == ["given up"]


def test_at_most_four_parts_are_asked_for_at_once() -> None:
    now = most = 0

    async def handler(request: httpx.Request) -> httpx.Response:
        nonlocal now, most
        now += 1
        most = max(most, now)
        await asyncio.sleep(0)
        now -= 1
        return httpx.Response(200, json={"model": "m", "results": []})

    async def scenario() -> None:
        async with AsyncClient(ADDRESS, transport=httpx.MockTransport(handler)) as client:
            await client.sentiment(["a"] * 256 * 9)

    asyncio.run(scenario())
    assert most == 4
