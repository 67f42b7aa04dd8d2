"""Many engines as one: the answers are those of one engine, and what is lost, full or silent is told."""

import asyncio
import dataclasses
import socket
import time
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from typing import Any

import msgpack
import pytest

from rondo_models.bundle import Bundle
from rondo_models.decoding.parameters import BeamParameters, SamplingParameters, TokenScore
from rondo_services.engine.messages import PING
from rondo_services.engine.requests import Classify, Explain, Generate, Generated, Likelihood, Search, Ticket, Work
from rondo_services.engine.scheduler import Limits
from rondo_services.errors import Cancelled, EngineFailed, EngineRestarted, InvalidInput, Overloaded, TimedOut
from rondo_services.local import suite_of
from rondo_services.on_ray import hub as hub_module
from rondo_services.on_ray import link as link_module
from rondo_services.on_ray.hub import Hub
from rondo_services.on_ray.link import EngineAddress
from rondo_services.suite import wait_for
from rondo_tokenizers.vocabulary import Tokenizer

from .conftest import HOST, TIMEOUT_S, MakeHub, OpenPool, address, until

ENDLESS = SamplingParameters(max_tokens=20_000, temperature=0.0, repetition_penalty=0.01, frequency_penalty=-2.0)


def _prompt(number: int, parameters: SamplingParameters = ENDLESS, length: int = 1) -> Generate:
    return Generate("generation", (2, *[4 + number] * length), parameters)


def _works(bundle: Bundle) -> list[Work]:
    """Requests of all kinds."""
    end = Tokenizer(bundle.tokenizer).end_id
    beam = BeamParameters(beam_size=3, max_tokens=12)
    works: list[Work] = []
    for first in range(4, 12):
        ids = (first, first + 1, first + 2)
        works.append(Classify("sentiment", (*ids, end)))
        works.append(Explain("sentiment", (*ids, end)))
        works.append(Search("translation", (*ids, end), 5, beam, return_attention=first % 2 == 0))
        works.append(Likelihood("generation", (2, *ids), 2))
        works.append(_prompt(first, SamplingParameters(max_tokens=10, temperature=0.0, num_logprobs=first % 3)))
    return works


def _rounded(value: Any) -> Any:
    """Without the digits in which the rounding of another batch shows."""
    if dataclasses.is_dataclass(value):
        return [type(value).__name__, *(_rounded(getattr(value, own.name)) for own in dataclasses.fields(value))]
    if isinstance(value, (list, tuple)):
        return [_rounded(own) for own in value]
    return round(value, 4) if isinstance(value, float) else value


def _listener(told: list[int], identifier: int, score: TokenScore | None) -> None:
    told.append(identifier)


def _close(hub: Hub, tickets: Sequence[Ticket]) -> None:
    """As when its process is killed."""
    assert not any(ticket.future.done() for ticket in tickets)
    hub.close()


def test_the_answers_are_those_of_one_engine(bundle: Bundle, make_hub: MakeHub, open_pool: OpenPool) -> None:
    works = _works(bundle)
    alone = suite_of(bundle, precision="float32")
    expected = alone.run_blocking(works)
    alone.close()

    async def scenario() -> None:
        async with open_pool(make_hub(), make_hub()) as pool:
            answers = await wait_for(pool.submit_all(works))
            assert _rounded(answers) == _rounded(expected)
            told: list[list[int]] = [[] for _ in works]
            listeners = [
                partial(_listener, own) if isinstance(work, Generate) else None
                for own, work in zip(told, works, strict=True)
            ]
            answers = await wait_for(pool.submit_all(works, on_token=listeners))
            for own, answer in zip(told, answers, strict=True):
                if isinstance(answer, Generated):
                    assert own[: len(answer.ids)] == answer.ids.tolist()
            assert (pool.precision, pool.is_batch_invariant) == ("float32", False)

    asyncio.run(scenario())


def test_requests_go_to_both(make_hub: MakeHub, open_pool: OpenPool) -> None:
    hubs = make_hub(), make_hub()

    async def scenario() -> None:
        async with open_pool(*hubs) as pool:
            tickets = pool.submit_all([_prompt(number) for number in range(6)])
            await until(lambda: hubs[0].held + hubs[1].held == 6)
            assert hubs[0].held == hubs[1].held == 3
            for ticket in tickets:
                ticket.cancel()
            await until(lambda: hubs[0].held + hubs[1].held == 0)
            assert all(isinstance(ticket.future.exception(TIMEOUT_S), Cancelled) for ticket in tickets)

    asyncio.run(scenario())


def test_what_a_lost_engine_had_is_asked_once_more_unless_somebody_heard_of_it(
    make_hub: MakeHub, open_pool: OpenPool
) -> None:
    first, second = make_hub(), make_hub()
    told: list[int] = []

    async def scenario() -> None:
        async with open_pool(first) as pool:
            (heard,) = pool.submit_all([_prompt(0)], on_token=[partial(_listener, told)])
            await until(lambda: bool(told))
            short = SamplingParameters(max_tokens=300, temperature=0.0, repetition_penalty=0.01, frequency_penalty=-2.0)
            unheard = pool.submit_all([_prompt(number, short) for number in range(1, 4)])
            await until(lambda: first.held == 4)
            pool.found([address(second)])
            await until(lambda: pool.num_engines == 2)
            await asyncio.to_thread(_close, first, [heard, *unheard])
            answers = await asyncio.wait_for(wait_for(unheard), TIMEOUT_S)
            assert [len(answer.ids) for answer in answers] == [300] * 3
            assert isinstance(heard.future.exception(TIMEOUT_S), EngineRestarted)
            assert pool.counted("rondo_ray_requests_retried_total") == 3
            assert pool.num_engines == 1

    asyncio.run(scenario())


def test_a_request_that_loses_two_engines_is_not_asked_again(make_hub: MakeHub, open_pool: OpenPool) -> None:
    first, second, third = make_hub(), make_hub(), make_hub()

    async def scenario() -> None:
        async with open_pool(first) as pool:
            tickets = pool.submit_all([_prompt(0)])
            await until(lambda: first.held == 1)
            pool.found([address(second)])
            await until(lambda: pool.num_engines == 2)
            await asyncio.to_thread(_close, first, tickets)
            await until(lambda: second.held == 1)
            pool.found([address(third)])
            await until(lambda: pool.num_engines == 2)
            await asyncio.to_thread(_close, second, tickets)
            with pytest.raises(EngineRestarted, match="was lost"):
                await wait_for(tickets)
            assert third.held == 0

    asyncio.run(scenario())


def test_without_an_engine_requests_are_told_to_come_again(make_hub: MakeHub, open_pool: OpenPool) -> None:
    hub = make_hub()

    async def scenario() -> None:
        async with open_pool(hub) as pool:
            tickets = pool.submit_all([_prompt(0)])
            await until(lambda: hub.held == 1)
            await asyncio.to_thread(_close, hub, tickets)
            with pytest.raises(EngineRestarted):
                await wait_for(tickets)
            assert not pool.is_alive
            with pytest.raises(EngineRestarted, match="no engine is there"):
                pool.submit_all([_prompt(0)])

    asyncio.run(scenario())


def test_the_pool_takes_what_all_engines_take(make_hub: MakeHub, open_pool: OpenPool) -> None:
    limits = Limits(max_waiting=4, max_rows=1)

    async def scenario() -> None:
        async with open_pool(make_hub(limits), make_hub(limits), limits=limits) as pool:
            writing = pool.submit_all([_prompt(0), _prompt(1)])
            await until(lambda: pool._sums.queue.waiting == 0)
            waiting = pool.submit_all([_prompt(number) for number in range(2, 10)])
            with pytest.raises(Overloaded) as refusal:
                pool.submit_all([_prompt(10)])
            assert refusal.value.retry_after_s >= 1
            with pytest.raises(Overloaded), pool.places(1):
                pass
            assert pool.limits.max_waiting == 4
            for ticket in (*writing, *waiting):
                ticket.cancel()

    asyncio.run(scenario())


def test_an_engine_that_another_ingress_has_filled_refuses(make_hub: MakeHub, open_pool: OpenPool) -> None:
    """The pool can't know it yet: what the engine says comes to the asker as it is."""
    limits = Limits(max_waiting=2, max_rows=1)
    hub = make_hub(limits)

    async def scenario() -> None:
        async with open_pool(hub, limits=limits) as one, open_pool(hub, limits=limits) as other:
            writing = one.submit_all([_prompt(0)])
            await until(lambda: all(pool._sums.queue.waiting == 0 for pool in (one, other)))
            tickets = [ticket for pool in (one, other) for ticket in pool.submit_all([_prompt(1), _prompt(2)])]
            await until(lambda: any(ticket.future.done() for ticket in tickets))
            refused = [ticket.future.exception() for ticket in tickets if ticket.future.done()]
            assert len(refused) == 2
            for error in refused:
                assert isinstance(error, Overloaded)
                assert error.retry_after_s >= 1
            for ticket in (*writing, *tickets):
                ticket.cancel()

    asyncio.run(scenario())


def test_a_request_that_can_not_be_is_refused_at_once(make_hub: MakeHub, open_pool: OpenPool) -> None:
    async def scenario() -> None:
        async with open_pool(make_hub()) as pool:
            with pytest.raises(InvalidInput, match="no head"):
                pool.submit_all([Classify("weather", (4, 3))])

    asyncio.run(scenario())


def test_deadlines_are_kept_in_the_time_of_the_engine(make_hub: MakeHub, open_pool: OpenPool) -> None:
    async def scenario() -> None:
        async with open_pool(make_hub()) as pool:
            few = SamplingParameters(max_tokens=3, temperature=0.0)
            tickets = pool.submit_all([_prompt(0, few)])
            await asyncio.wait_for(wait_for(tickets), TIMEOUT_S)
            assert tickets[0].queued_at <= tickets[0].started_at <= tickets[0].ended_at
            tickets = pool.submit_all([_prompt(0)], deadline=time.monotonic() + 0.3)
            with pytest.raises(TimedOut):
                await asyncio.wait_for(wait_for(tickets), TIMEOUT_S)

    asyncio.run(scenario())


def test_times_are_told_in_the_clock_of_the_engine(make_hub: MakeHub, open_pool: OpenPool) -> None:
    """All threads of a test have one clock, so the difference is pretended."""
    hub = make_hub(Limits(max_rows=1))

    async def scenario() -> None:
        async with open_pool(hub) as pool:
            (link,) = pool._links.values()
            assert abs(link.exchange.ahead_s) < 0.1
            link.exchange.ahead_s = 1000.0
            first, second = pool.submit_all([_prompt(0), _prompt(1)], deadline=time.monotonic() + 100)
            await until(lambda: len(hub.core.scheduler) == 1)
            (waiting,) = hub.core.scheduler.waiting()
            assert waiting.queued_at == pytest.approx(second.queued_at + 1000, abs=0.01)
            assert waiting.deadline == pytest.approx((second.deadline or 0) + 1000, abs=0.01)
            first.cancel()
            second.cancel()

    asyncio.run(scenario())


def test_an_engine_that_leaves_gets_no_more_and_ends_what_it_has(make_hub: MakeHub, open_pool: OpenPool) -> None:
    leaving, staying = make_hub(), make_hub()
    few = SamplingParameters(max_tokens=400, temperature=0.0, repetition_penalty=0.01, frequency_penalty=-2.0)

    async def scenario() -> None:
        async with open_pool(leaving, staying) as pool:
            tickets = pool.submit_all([_prompt(number, few) for number in range(4)])
            await until(lambda: leaving.held == staying.held == 2)
            leaving.leave()
            await until(lambda: pool.num_engines == 1)
            more = pool.submit_all([_prompt(number, few) for number in range(4, 8)])
            await until(lambda: staying.held >= 4)
            answers = await asyncio.wait_for(wait_for([*tickets, *more]), TIMEOUT_S)
            assert all(len(answer.ids) == 400 for answer in answers)
            await until(lambda: leaving.is_idle)
            assert pool.counted("rondo_ray_requests_retried_total") == 0

    asyncio.run(scenario())


def test_engines_of_another_bundle_and_nobody_at_all_are_not_asked(
    make_hub: MakeHub, open_pool: OpenPool, caplog: pytest.LogCaptureFixture
) -> None:
    other = make_hub(fingerprint="another")

    async def scenario() -> None:
        async with open_pool(make_hub()) as pool:
            with socket.socket() as unused:
                unused.bind((HOST, 0))
                nobody = EngineAddress(HOST, unused.getsockname()[1], b"token")
                pool.found([address(other), nobody])
                await until(lambda: not pool._connecting)
            assert pool.num_engines == 1

    asyncio.run(scenario())
    assert "serves the bundle another; here" in caplog.text
    assert caplog.text.count("can't be asked") == 1


def test_strangers_are_sent_away_and_the_others_go_on(make_hub: MakeHub, open_pool: OpenPool) -> None:
    hub = make_hub()

    async def scenario() -> None:
        async with open_pool(hub) as pool:
            with socket.create_connection((HOST, hub.port)) as stranger:
                stranger.settimeout(TIMEOUT_S)
                stranger.sendall(b"?" * len(hub.token))
                assert stranger.recv(100) == b""
            few = SamplingParameters(max_tokens=3, temperature=0.0)
            assert await wait_for(pool.submit_all([_prompt(0, few)]))

    asyncio.run(scenario())


def test_a_silent_engine_is_lost(open_pool: OpenPool, make_hub: MakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    silent, other = make_hub(), make_hub()
    monkeypatch.setattr(link_module, "_PING_EVERY_S", 0.1)  # so that the other one is heard of

    async def scenario() -> None:
        async with open_pool(silent, hang_s=2.0) as pool:
            few = SamplingParameters(max_tokens=3, temperature=0.0)
            monkeypatch.setattr(silent, "_take", lambda timeout_s: time.sleep(0.05))
            monkeypatch.setattr(silent, "_tell_all", lambda: None)
            await asyncio.sleep(0.2)
            (ticket,) = pool.submit_all([_prompt(0, few)])
            pool.found([address(other)])
            async with asyncio.timeout(TIMEOUT_S):
                while not ticket.future.done():
                    pool.look()
                    await asyncio.sleep(0.05)
            assert ticket.future.result()
            assert pool.num_engines == 1

    asyncio.run(scenario())


def test_stopping_waits_and_then_ends_what_is_left(make_hub: MakeHub, open_pool: OpenPool) -> None:
    hub = make_hub()

    async def scenario() -> None:
        async with open_pool(hub) as pool:
            few = SamplingParameters(max_tokens=50, temperature=0.0, repetition_penalty=0.01, frequency_penalty=-2.0)
            short, endless = pool.submit_all([_prompt(0, few), _prompt(1)])
            await pool.stop(grace_s=2.0)
            assert short.future.done()
            assert short.future.exception() is None
            assert isinstance(endless.future.exception(), EngineFailed)
            with pytest.raises(EngineFailed, match="stopping"):
                pool.submit_all([_prompt(2)])
            await until(lambda: hub.held == 0)

    asyncio.run(scenario())


def test_an_ingress_that_does_not_read_is_cut_off_and_holds_up_nobody(
    make_hub: MakeHub, open_pool: OpenPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub_module, "_MOST_UNSENT_BYTES", 100_000)
    hub = make_hub()
    few = SamplingParameters(max_tokens=3, temperature=0.0)

    def ask_and_never_read(deaf: socket.socket) -> None:
        with suppress(ConnectionError):
            for _ in range(100):
                deaf.sendall(msgpack.packb([PING]) * 10_000)

    async def scenario() -> None:
        async with open_pool(hub) as pool:
            with socket.create_connection((HOST, hub.port)) as deaf:
                deaf.settimeout(TIMEOUT_S)
                deaf.sendall(hub.token)
                asking = asyncio.create_task(asyncio.to_thread(ask_and_never_read, deaf))
                await until(lambda: len(hub._ingresses) == 2)
                while not asking.done():
                    assert await asyncio.wait_for(wait_for(pool.submit_all([_prompt(0, few)])), TIMEOUT_S)
                await until(lambda: len(hub._ingresses) == 1)
            assert await asyncio.wait_for(wait_for(pool.submit_all([_prompt(0, few)])), TIMEOUT_S)

    asyncio.run(scenario())
