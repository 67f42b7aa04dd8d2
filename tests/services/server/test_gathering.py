"""What is written in one round of the event loop is sent at once, in order, and before the connection is closed."""

import asyncio
from collections.abc import Callable
from typing import Any, cast

import pytest

from rondo_services.server.gathering import MOST_BYTES, GatheringTransport


class _Sent:
    """A transport that notes what happens to it."""

    def __init__(self, fault: str = "") -> None:
        self.calls: list[Any] = []
        self.closing = False
        self._fault = fault

    def write(self, data: bytes) -> None:
        if self._fault:
            raise RuntimeError(self._fault)
        self.calls.append(data)

    def write_eof(self) -> None:
        self.calls.append("eof")

    def close(self) -> None:
        self.calls.append("closed")
        self.closing = True

    def abort(self) -> None:
        self.calls.append("aborted")
        self.closing = True

    def is_closing(self) -> bool:
        return self.closing


def _in_one_round(act: Callable[[GatheringTransport], None]) -> list[Any]:
    """What has been done to the transport at the end of the round in which `act` is called."""

    async def run() -> list[Any]:
        sent = _Sent()
        act(GatheringTransport(cast("asyncio.Transport", sent), asyncio.get_running_loop()))
        await asyncio.sleep(0)
        return sent.calls

    return asyncio.run(run())


def test_what_is_written_in_one_round_is_sent_at_once() -> None:
    def act(transport: GatheringTransport) -> None:
        transport.write(b"head ")
        transport.writelines([b"bo", b"dy "])
        transport.write(b"end")

    assert _in_one_round(act) == [b"head body end"]


def test_nothing_is_sent_before_the_round_has_ended_and_each_round_sends_its_own() -> None:
    async def run() -> None:
        sent = _Sent()
        transport = GatheringTransport(cast("asyncio.Transport", sent), asyncio.get_running_loop())
        for text in (b"one", b"two"):
            transport.write(text)
            assert text not in sent.calls
            await asyncio.sleep(0)
            assert sent.calls[-1] == text
        await asyncio.sleep(0)
        assert sent.calls == [b"one", b"two"]

    asyncio.run(run())


def test_much_is_sent_at_once_so_that_a_writer_can_be_made_to_wait() -> None:
    sent = _Sent()

    async def run() -> None:
        transport = GatheringTransport(cast("asyncio.Transport", sent), asyncio.get_running_loop())
        transport.write(b"a")
        assert sent.calls == []
        transport.write(b"b" * (MOST_BYTES - 1))
        assert sent.calls == [b"a" + b"b" * (MOST_BYTES - 1)]
        transport.write(b"c")
        assert len(sent.calls) == 1
        await asyncio.sleep(0)

    asyncio.run(run())
    assert sent.calls[1:] == [b"c"]


@pytest.mark.parametrize(("end", "last"), [("close", "closed"), ("write_eof", "eof")])
def test_what_was_written_is_sent_before_the_end(end: str, last: str) -> None:
    def act(transport: GatheringTransport) -> None:
        transport.write(b"last words")
        getattr(transport, end)()

    assert _in_one_round(act) == [b"last words", last]


def test_a_client_that_has_gone_is_sent_nothing() -> None:
    def act(transport: GatheringTransport) -> None:
        transport.write(b"too late")
        transport.abort()

    assert _in_one_round(act) == ["aborted"]


@pytest.mark.parametrize(
    ("fault", "is_told"),
    [("unable to perform operation on <TCPTransport>; the handler is closed", False), ("something else", True)],
)
def test_a_connection_that_was_reset_takes_nothing_and_is_no_fault(fault: str, is_told: bool) -> None:
    told: list[str] = []

    async def run() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: told.append(str(context["exception"])))
        GatheringTransport(cast("asyncio.Transport", _Sent(fault)), loop).write(b"too late")
        await asyncio.sleep(0)

    asyncio.run(run())
    assert told == ([fault] if is_told else [])
