"""What bundles offer; and waiting: lists longer than the queue go in turns, and one failure ends the wait."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import pytest

from rondo_models.bundle import Bundle
from rondo_models.manifest import BundleError
from rondo_services.engine.admission import Entrance, Queue
from rondo_services.engine.requests import Classify, Ticket, Work
from rondo_services.engine.scheduler import Limits, portions
from rondo_services.errors import EngineFailed
from rondo_services.suite import services_of, wait_for


def _works(lengths: Sequence[int]) -> list[Work]:
    return [Classify("sentiment", (4,) * length) for length in lengths]


@pytest.mark.parametrize("lengths", [[1] * 10, [5, 5, 1, 9, 30, 2, 2, 2, 2, 2], [30], []])
def test_every_turn_fits_an_empty_queue(lengths: list[int]) -> None:
    limits = Limits(max_waiting=4, max_waiting_tokens=12)
    turns = list(portions(_works(lengths), limits))
    assert [len(work.ids) for turn in turns for work in turn] == lengths
    entrance = Entrance(["sentiment"], 10, limits, lambda count: None)
    for turn in turns:
        entrance.admit([Ticket(work) for work in turn], Queue(0, 0, 0.0))


def test_answers_come_in_the_order_of_the_requests() -> None:
    async def scenario() -> list[object]:
        tickets = [Ticket(work) for work in _works([1, 1, 1])]
        waiting = asyncio.ensure_future(wait_for(tickets))
        await asyncio.sleep(0)
        for number in (2, 0, 1):
            tickets[number].finish((float(number),))
        return await waiting

    assert asyncio.run(scenario()) == [(0.0,), (1.0,), (2.0,)]


def test_one_failure_ends_the_wait_and_cancels_the_others() -> None:
    async def scenario() -> list[Ticket]:
        tickets = [Ticket(work) for work in _works([1, 1])]
        waiting = asyncio.ensure_future(wait_for(tickets))
        await asyncio.sleep(0)
        tickets[1].fail(EngineFailed("broken"))
        with pytest.raises(EngineFailed, match="broken"):
            await waiting
        return tickets

    tickets = asyncio.run(scenario())
    assert tickets[0].cancelled


def test_nothing_to_wait_for() -> None:
    assert asyncio.run(wait_for([])) == []


def test_a_language_that_the_vocabulary_lacks_can_not_be_translated_into(french_bundle: Bundle) -> None:
    translation = {"languages": ["de", "fr"], "pairs": [["de", "fr"]]}
    manifest = replace(french_bundle.manifest, services={"translation": translation})
    tokenizer, wanted = services_of(replace(french_bundle.contents, manifest=manifest), None, "there")
    assert list(tokenizer.target_ids) == ["en", "fr"]
    assert wanted == {"translation": translation}
    translation["pairs"] = [["fr", "de"]]
    with pytest.raises(BundleError, match=r"there: manifest\.json offers translation into de; tokenizer\.model has no"):
        services_of(replace(french_bundle.contents, manifest=manifest), None, "there")
