"""The project's own clients against the real server."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.system.asking import ENDLESS, REVIEWS
from tests.system.conftest import Launch, RunningServer

from rondo_services.access.key_file import KeyFile
from rondo_services.access.keys import Allowance
from rondo_services.client import AsyncClient, Client, ConnectionFailed
from rondo_services.errors import InvalidInput, NotAuthenticated, TimedOut
from rondo_services.generation.schema import GenerateRequest

GOOD, BAD = REVIEWS["en"]


def _address(server: RunningServer) -> str:
    return str(server.client.base_url)


@pytest.fixture
def rondo(server: RunningServer) -> Iterator[Client]:
    with Client(_address(server)) as client:
        yield client


def test_every_operation_answers(rondo: Client) -> None:
    assert [result.label for result in rondo.sentiment([GOOD, BAD])] == ["positive", "negative"]
    assert rondo.translate("Where is the station?", target="de").translation == "Wo ist der Bahnhof?"
    terms = rondo.translate("Where is the station?", target="de", glossary={"station": "Haltestelle"})
    assert "Haltestelle" in terms.translation
    marked = rondo.translate("Where is <b>the station</b>?", target="de", format="html", explain=True)
    assert "<b>" in marked.translation
    assert marked.alignment
    assert rondo.summarize("The parliament has voted for a new law on Monday. It was a long debate.").summary
    assert rondo.generate("The film", max_tokens=5, seed=1).usage.completion_tokens <= 5
    assert {card.id.rpartition("/")[2] for card in rondo.models().data}
    assert (rondo.live().status, rondo.ready().status) == ("live", "ready")


def test_a_stream_is_the_text_that_is_answered_at_once(rondo: Client) -> None:
    pieces = list(rondo.generate_stream("Das Wetter", max_tokens=20, **ENDLESS))
    assert len(pieces) > 2
    assert "".join(piece.text for piece in pieces) == rondo.generate("Das Wetter", max_tokens=20, **ENDLESS).text


def test_closing_a_stream_frees_its_place(server: RunningServer, rondo: Client) -> None:
    pieces = rondo.generate_stream(GenerateRequest(prompt="The film", max_tokens=2048, **ENDLESS))
    next(pieces)
    server.wait_for_metric("rondo_num_rows_running", lambda rows: rows == 1)
    pieces.close()
    server.wait_for_metric("rondo_num_rows_running", lambda rows: rows == 0)


def test_more_sentences_than_the_queue_holds_are_answered(rondo: Client) -> None:
    texts = ["I am. " * 30] * 60
    assert len(rondo.translate(texts, target="de", beam_size=1)) == 60


def test_lists_of_any_length_are_answered_in_order(server: RunningServer) -> None:
    async def scenario() -> None:
        async with AsyncClient(_address(server), priority="batch") as client:
            results = await client.sentiment([GOOD, BAD] * 300)
            assert [result.label for result in results] == ["positive", "negative"] * 300

    asyncio.run(scenario())


def test_a_growing_text_is_scored_after_each_piece(server: RunningServer) -> None:
    async def scenario() -> None:
        async with AsyncClient(_address(server)) as client, client.growing_sentiment("en") as text:
            first = await text.add("A boring, stupid waste")
            second = await text.add(" of time. Terrible acting.")
            assert (first.num_characters, second.num_characters) == (22, 48)
            assert second.label == "negative"
            with pytest.raises(InvalidInput):
                await text.add("")
            with pytest.raises(ConnectionFailed):
                await text.add("more")

    asyncio.run(scenario())


def test_refusals_are_the_domains_errors(server: RunningServer, rondo: Client) -> None:
    with pytest.raises(InvalidInput, match="'en', 'de' or 'ko'") as caught:
        rondo.translate("a", target="fr")
    assert caught.value.field == "target"
    with Client(_address(server), timeout_s=0.05) as hurried, pytest.raises(TimedOut):
        hurried.generate(GenerateRequest(prompt="The film", max_tokens=2048, **ENDLESS))
    with Client(_address(server), timeout_s=1e6) as patient, pytest.raises(InvalidInput, match="X-Request-Timeout-Ms"):
        patient.sentiment(GOOD)


def test_a_key_opens_what_asks_for_one(launch: Launch, tmp_path: Path) -> None:
    _, key = KeyFile(tmp_path).create("shop", Allowance(), None, datetime.now(UTC))
    with launch("--services", "sentiment", settings={"require_key": "always", "state_dir": str(tmp_path)}) as server:
        address = _address(server)

        async def scenario() -> None:
            async with AsyncClient(address, api_key=key) as client, client.growing_sentiment() as text:
                assert (await text.add(GOOD)).label == "positive"
            async with AsyncClient(address) as stranger:
                with pytest.raises(NotAuthenticated):
                    async with stranger.growing_sentiment():
                        pass

        with Client(address) as stranger, pytest.raises(NotAuthenticated):
            stranger.sentiment(GOOD)
        with Client(address, api_key=key) as client:
            assert client.sentiment(GOOD).label == "positive"
        asyncio.run(scenario())
