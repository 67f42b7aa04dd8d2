"""Who comes in, in which order, and what places that takes."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Any

import httpx
import pytest
from starlette.types import Message, Receive, Scope, Send
from tests.services.server.places_only import PlacesOnly

from rondo_services.errors import Overloaded
from rondo_services.local import LocalSuite
from rondo_services.server.door import PLACES, Door, Places, Turnstile, request_places
from rondo_services.server.shapes import ErrorShapes

Connect = Callable[..., AbstractAsyncContextManager[httpx.AsyncClient]]
PATH = "/v1/sentiment"


class Visit:
    """One request to an app behind a door; its chunks come when they are put into `chunks`."""

    def __init__(self, door: Door, *, places: Places | None = None, **scope: Any) -> None:
        self.chunks: asyncio.Queue[Message] = asyncio.Queue()
        self.num_received = 0
        self.sent: list[Message] = []
        self._door = door
        self._scope = {"type": "http", "http_version": "1.1", "method": "POST", "path": PATH, "headers": [], **scope}
        if places is not None:
            self._scope["state"] = {PLACES: places}

    def come(self, body: bytes, *, more: bool = False) -> None:
        self.chunks.put_nowait({"type": "http.request", "body": body, "more_body": more})

    async def _receive(self) -> Message:
        message = await self.chunks.get()
        self.num_received += 1
        return message

    async def _send(self, message: Message) -> None:
        self.sent.append(message)

    async def run(self) -> int | None:
        """The status of the reply, if there is one."""
        await self._door(self._scope, self._receive, self._send)
        return self.sent[0]["status"] if self.sent else None


def _run(scenario: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(scenario())


def _app(seen: list[Any], then: Callable[[], None] = lambda: None) -> Callable[..., Coroutine[Any, Any, None]]:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope["path"])
        then()
        await send({"type": "http.response.start", "status": 200, "headers": []})

    return app


def test_a_request_without_a_place_is_refused_before_its_body_is_read() -> None:
    async def scenario() -> None:
        seen: list[str] = []
        visit = Visit(Door(_app(seen), PlacesOnly(0), {PATH}, ErrorShapes()))
        visit.come(b"{}")
        assert await visit.run() == 429
        assert (b"retry-after", b"3") in visit.sent[0]["headers"]
        assert (seen, visit.num_received) == ([], 0)

    _run(scenario)


def test_a_place_is_kept_while_the_app_works_and_given_back_when_it_fails() -> None:
    async def scenario() -> None:
        queue, free = PlacesOnly(1), []

        def then() -> None:
            free.append(queue.free)
            if len(free) == 2:
                raise ZeroDivisionError

        door = Door(_app([], then), queue, {PATH}, ErrorShapes())
        for number in range(3):
            visit = Visit(door)
            visit.come(b"{}")
            if number == 1:
                with pytest.raises(ZeroDivisionError):
                    await visit.run()
            else:
                assert await visit.run() == 200
            assert queue.free == 1
        assert free == [0, 0, 0]

    _run(scenario)


@pytest.mark.parametrize("kept_by_the_protocol", [False, True])
def test_a_body_that_comes_slowly_takes_no_place(kept_by_the_protocol: bool) -> None:
    async def scenario() -> None:
        queue = PlacesOnly(1)
        door = Door(_app([]), queue, {PATH}, ErrorShapes())
        places = None
        if kept_by_the_protocol:
            places = Places(queue)
            places.keep(1)
        slow, quick = Visit(door, places=places), Visit(door)
        slow.come(b"{", more=True)
        running = asyncio.create_task(slow.run())
        if places is not None:
            asyncio.get_running_loop().call_soon(places.give_back_unclaimed)
        await asyncio.sleep(0)
        assert queue.free == 1
        quick.come(b"{}")
        assert await quick.run() == 200
        slow.come(b"}")
        assert await running == 200

    _run(scenario)


def test_a_place_that_was_kept_for_a_whole_body_is_not_taken_twice() -> None:
    async def scenario() -> None:
        queue = PlacesOnly(1)
        places = Places(queue)
        places.keep(1)
        visit = Visit(Door(_app([]), queue, {PATH}, ErrorShapes()), places=places)
        visit.come(b"{}")
        running = asyncio.create_task(visit.run())
        asyncio.get_running_loop().call_soon(places.give_back_unclaimed)
        assert await running == 200
        assert queue.free == 1

    _run(scenario)


def test_places_that_are_gone_when_the_body_is_there_are_refused() -> None:
    async def scenario() -> None:
        queue, seen = PlacesOnly(1), []  # type: ignore[var-annotated]
        visit = Visit(Door(_app(seen), queue, {PATH}, ErrorShapes()))
        running = asyncio.create_task(visit.run())
        await asyncio.sleep(0)
        queue.free = 0
        visit.come(b"{}")
        assert await running == 429
        assert seen == []

    _run(scenario)


def test_the_app_receives_what_came_and_what_comes() -> None:
    async def scenario() -> None:
        received: list[Message] = []

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            received.extend([await receive() for _ in range(3)])

        visit = Visit(Door(app, PlacesOnly(1), {PATH}, ErrorShapes()))
        visit.come(b"{", more=True)
        visit.come(b"}")
        visit.chunks.put_nowait({"type": "http.disconnect"})
        await visit.run()
        assert [message.get("body") for message in received] == [b"{", b"}", None]
        assert received[2]["type"] == "http.disconnect"

    _run(scenario)


def test_what_is_nothing_for_the_engine_passes_a_full_queue() -> None:
    async def scenario() -> None:
        others: list[dict[str, Any]] = [
            {"method": "GET"},
            {"path": "/metrics"},
            {"type": "lifespan"},
            {"type": "websocket"},
        ]
        for scope in others:
            assert await Visit(Door(_app([]), PlacesOnly(0), {PATH}, ErrorShapes()), **scope).run() == 200

    _run(scenario)


def test_places_are_kept_instead_of_those_before() -> None:
    queue = PlacesOnly(3)
    places = Places(queue)
    places.keep(1)
    places.keep(3)
    assert queue.free == 0
    with pytest.raises(Overloaded):
        places.keep(4)
    assert (queue.free, places.any_kept) == (3, False)
    places.give_back()
    assert queue.free == 3


def test_an_unclaimed_place_is_given_back() -> None:
    queue = PlacesOnly(1)
    places = Places(queue)
    places.keep(1)
    places.give_back_unclaimed()
    assert queue.free == 1
    places.claim()
    places.give_back_unclaimed()
    assert queue.free == 0


def test_the_places_of_a_request_are_known_to_its_app() -> None:
    async def scenario() -> None:
        queue = PlacesOnly(5)
        free: list[int] = []

        def then() -> None:
            request_places.get().keep(4)
            free.append(queue.free)
            request_places.get().give_back()
            free.append(queue.free)

        visit = Visit(Door(_app([], then), queue, {PATH}, ErrorShapes()))
        visit.come(b"{}")
        assert await visit.run() == 200
        assert free == [1, 5]

    _run(scenario)


def _rounds_of_passing(turnstile: Turnstile, count: int, cancelled: Sequence[int] = ()) -> list[tuple[int, int]]:
    """Who passed in which round of the event loop."""
    passed: list[tuple[int, int]] = []
    current = 0

    async def one(number: int) -> None:
        await turnstile.go_through()
        passed.append((number, current))

    async def scenario() -> None:
        nonlocal current
        tasks = [asyncio.create_task(one(number)) for number in range(count)]
        await asyncio.sleep(0)
        for number in cancelled:
            tasks[number].cancel()
        while not all(task.done() for task in tasks):
            current += 1
            await asyncio.sleep(0)

    asyncio.run(scenario())
    return passed


def test_only_so_many_pass_in_a_round_and_in_order() -> None:
    passed = _rounds_of_passing(Turnstile(3), 10)
    assert [number for number, _ in passed] == list(range(10))
    rounds = [current for _, current in passed]
    assert max(rounds.count(current) for current in rounds) == 3
    assert len(set(rounds)) == 4


def test_whoever_was_cancelled_holds_up_nobody() -> None:
    passed = _rounds_of_passing(Turnstile(2), 8, cancelled=[2, 3, 4])
    assert [number for number, _ in passed] == [0, 1, 5, 6, 7]
    assert len({current for _, current in passed}) == 3


def test_a_turnstile_that_was_used_up_opens_again() -> None:
    turnstile = Turnstile(2)

    async def scenario() -> None:
        for _ in range(5):
            await turnstile.go_through()
        await asyncio.sleep(0)
        await turnstile.go_through()

    asyncio.run(asyncio.wait_for(scenario(), 10))


def test_calls_pass_in_order_too_and_hold_up_nobody() -> None:
    turnstile, current = Turnstile(2), 0
    came: list[tuple[int, int]] = []
    stumbled: list[dict[str, Any]] = []

    def come(number: int) -> bool:
        if number == 4:
            raise RuntimeError("on purpose")
        if number in (2, 3):  # not wanted any more
            return False
        came.append((number, current))
        return True

    async def scenario() -> None:
        nonlocal current
        asyncio.get_running_loop().set_exception_handler(lambda _, context: stumbled.append(context))
        for number in range(8):
            turnstile.let_through(partial(come, number))
        assert [number for number, _ in came] == [0, 1]
        while len(came) < 5:
            current += 1
            await asyncio.sleep(0)

    asyncio.run(asyncio.wait_for(scenario(), 10))
    assert [number for number, _ in came] == [0, 1, 5, 6, 7]
    rounds = [current for _, current in came]
    assert max(rounds.count(current) for current in rounds) == 2
    assert [str(context["exception"]) for context in stumbled] == ["on purpose"]


def test_the_wait_to_be_let_in_counts_for_the_deadline_and_as_time_in_the_queue(
    suite: LocalSuite, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def long_wait(turnstile: Turnstile) -> None:
        await asyncio.sleep(0.1)

    monkeypatch.setattr(Turnstile, "go_through", long_wait)

    async def ask(**headers: str) -> httpx.Response:
        async with connect(suite) as client:
            return await client.post(PATH, json={"text": "The boat is slow."}, headers=headers)

    assert asyncio.run(ask(**{"X-Request-Timeout-Ms": "90"})).status_code == 504
    headers = asyncio.run(ask()).headers
    assert 100 <= float(headers["x-queue-time"]) <= float(headers["x-total-time"])


def test_requests_and_answers_pass_by_different_ways(
    suite: LocalSuite, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else an answer would wait behind all that want in."""
    passed: list[Turnstile] = []
    go_through = Turnstile.go_through

    async def watched(turnstile: Turnstile) -> None:
        passed.append(turnstile)
        await go_through(turnstile)

    monkeypatch.setattr(Turnstile, "go_through", watched)

    async def ask() -> list[int]:
        async with connect(suite) as client:
            replies = [await client.post(PATH, json={"text": "The boat is slow."}) for _ in range(2)]
            return [reply.status_code for reply in replies]

    assert asyncio.run(ask()) == [200, 200]
    way_in, way_out, *again = passed
    assert way_in is not way_out
    assert again == [way_in, way_out]
