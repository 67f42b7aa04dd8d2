"""Calls from another thread arrive in order, with one wake-up for many."""

import asyncio
import threading

from rondo_services.mailbox import mailbox


def test_calls_from_a_thread_arrive_in_order_and_wake_the_loop_once() -> None:
    async def scenario() -> tuple[list[int], int]:
        loop, post, arrived = asyncio.get_running_loop(), mailbox().post, asyncio.Event()
        heard: list[int] = []
        wake_ups = 0
        wake = loop.call_soon_threadsafe

        def counted(*arguments: object) -> object:
            nonlocal wake_ups
            wake_ups += 1
            return wake(*arguments)  # type: ignore[arg-type]

        loop.call_soon_threadsafe = counted  # type: ignore[method-assign, assignment]

        def send() -> None:
            for number in range(1000):
                post(lambda number=number: heard.append(number))  # type: ignore[misc]
            post(arrived.set)

        thread = threading.Thread(target=send)
        thread.start()
        thread.join()  # the loop does not run meanwhile, so all must be waiting for one wake-up
        await asyncio.wait_for(arrived.wait(), 10)
        return heard, wake_ups

    heard, wake_ups = asyncio.run(scenario())
    assert heard == list(range(1000))
    assert wake_ups == 1


def test_a_closed_loop_is_left_alone() -> None:
    async def take() -> object:
        return mailbox()

    box = asyncio.run(take())
    box.post(lambda: None)  # type: ignore[attr-defined]
