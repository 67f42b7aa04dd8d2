"""The server's side of the engine's process."""

import asyncio
import dataclasses
import os
import signal
import sys
import time
from pathlib import Path
from unittest.mock import patch

import pytest

from rondo_models.decoding.parameters import SamplingParameters
from rondo_models.manifest import read_contents
from rondo_models.native.loading import fastest_kernels
from rondo_services.engine.client import EngineClient, EngineUnavailable
from rondo_services.engine.observer import EngineObserver
from rondo_services.engine.options import WorkerOptions
from rondo_services.engine.requests import Generate
from rondo_services.engine.scheduler import Limits
from rondo_services.errors import Cancelled, EngineFailed, EngineRestarted, TimedOut
from rondo_services.server.settings import default_bundle
from rondo_services.suite import entrance_of, wait_for

OPTIONS = WorkerOptions(default_bundle(), Limits(), "float32", 0.0, 1)
LONG_S, SHORT_S = 120.0, 0.5


class Restarts(EngineObserver):
    """Counts them."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def restarted(self) -> None:
        self.count += 1


class Client(EngineClient):
    """Waits so long for one start after the other; `pids` are those of the processes."""

    def __init__(self, start_timeouts_s: list[float]) -> None:
        self.restarts = Restarts()
        self.pids: list[int] = []
        self._timeouts = iter(start_timeouts_s)
        super().__init__(
            OPTIONS, entrance_of(read_contents(OPTIONS.bundle), OPTIONS.limits, self.restarts), self.restarts
        )

    async def _launch(self) -> None:
        self._start_timeout_s = next(self._timeouts)
        try:
            await super()._launch()
        finally:
            assert self.pid is not None
            self.pids.append(self.pid)

    async def wait_until_down(self) -> None:
        assert self._supervision is not None
        await asyncio.wait_for(self._supervision, 60)


class Hangs:
    """Makes each of the next processes hang at its start."""

    def __init__(self, folder: Path) -> None:
        self._marks = [folder / f"hang-{number}" for number in range(3)]
        self.program = folder / "python"
        lines = [f"if rm {mark} 2>/dev/null; then exec sleep 1000; fi" for mark in self._marks]
        self.program.write_text("\n".join(["#!/bin/sh", *lines, f'exec {sys.executable} "$@"', ""]))
        self.program.chmod(0o755)

    def next(self, count: int) -> None:
        for mark in self._marks[:count]:
            mark.touch()


@pytest.fixture
def hangs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hangs:
    hangs = Hangs(tmp_path)
    monkeypatch.setattr(sys, "executable", str(hangs.program))
    return hangs


def _is_there(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def _until_alive(client: EngineClient, alive: bool = True) -> None:
    deadline = time.monotonic() + LONG_S
    while client.is_alive != alive:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


def test_an_engine_that_hangs_at_the_first_start_is_not_waited_for(hangs: Hangs) -> None:
    """It once was, for ever."""
    hangs.next(1)

    async def scenario() -> list[int]:
        client = Client([SHORT_S])
        with pytest.raises(EngineUnavailable, match=r"not ready 0\.5 s after its start and has been killed"):
            await client.start()
        assert not client.is_alive
        await client.stop(0.0)
        return client.pids

    (pid,) = asyncio.run(scenario())
    assert not _is_there(pid)


def test_an_engine_that_hangs_once_when_it_is_started_anew_comes_back(
    hangs: Hangs, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario() -> None:
        client = Client([LONG_S, SHORT_S, LONG_S])
        await client.start()
        hangs.next(1)
        os.kill(client.pids[0], 9)
        await _until_alive(client, False)
        await _until_alive(client)
        assert client.restarts.count == 2
        assert len(set(client.pids)) == 3
        assert [_is_there(pid) for pid in client.pids] == [False, False, True]
        (ticket,) = client.submit_all([Generate("generation", (2, 4, 5), SamplingParameters(max_tokens=2))])
        assert await asyncio.to_thread(ticket.future.result, 30)
        await client.stop(1.0)

    asyncio.run(scenario())
    assert "could not be started: the engine was not ready 0.5 s after its start" in caplog.text


def test_hanging_at_the_start_counts_as_dying_however_long_it_takes(
    hangs: Hangs, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The window of three deaths is shorter here than one hanging start: time spent on starting is not in it."""
    monkeypatch.setattr("rondo_services.engine.client._DEATHS_WINDOW_S", SHORT_S)

    async def scenario() -> None:
        client = Client([LONG_S, 2 * SHORT_S, 2 * SHORT_S])
        await client.start()
        hangs.next(2)
        os.kill(client.pids[0], 9)
        await client.wait_until_down()
        assert not client.is_alive
        assert client.restarts.count == 2
        assert not any(_is_there(pid) for pid in client.pids)
        with pytest.raises(EngineFailed, match="stays down") as caught:
            client.submit_all([Generate("generation", (2,), SamplingParameters(max_tokens=2))])
        assert not isinstance(caught.value, EngineRestarted)  # which would have clients come again at once
        await client.stop(0.0)

    asyncio.run(scenario())
    assert "died 3 times in a minute and stays down" in caplog.text


def test_an_engine_that_nobody_waits_for_any_more_is_killed(hangs: Hangs) -> None:
    hangs.next(1)

    async def scenario() -> list[int]:
        client = Client([LONG_S])
        starting = asyncio.create_task(client.start())
        while client.pid is None:
            await asyncio.sleep(0.01)
        starting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await starting
        await client.stop(0.0)
        return client.pids

    (pid,) = asyncio.run(scenario())
    assert not _is_there(pid)


def test_it_knows_whether_the_engine_is_batch_invariant() -> None:
    async def scenario() -> tuple[bool, bool]:
        client = Client([LONG_S])
        before = client.is_batch_invariant
        await client.start()
        known = client.is_batch_invariant
        await client.stop(1.0)
        return before, known

    assert asyncio.run(scenario()) == (False, False)  # float32, so plain PyTorch
    native = dataclasses.replace(OPTIONS, precision="mixed")
    with patch(f"{__name__}.OPTIONS", native):
        assert asyncio.run(scenario()) == (False, fastest_kernels("bfloat16") is not None)


def test_a_request_that_is_cancelled_at_once_is_not_written() -> None:
    """The cancelling once went out before the request did, and the engine wrote the whole text for nobody."""
    endless = SamplingParameters(max_tokens=2000, temperature=0.0, repetition_penalty=0.01, frequency_penalty=-2.0)

    async def scenario() -> BaseException | None:
        client = Client([LONG_S])
        await client.start()
        try:
            (ticket,) = client.submit_all([Generate("generation", (2, 4, 5), endless)])
            ticket.cancel()
            return await asyncio.to_thread(ticket.future.exception, 30)
        finally:
            await client.stop(1.0)

    assert isinstance(asyncio.run(scenario()), Cancelled)


def test_deadlines_hold_while_the_engine_hangs() -> None:
    async def scenario() -> None:
        client = Client([LONG_S])
        await client.start()
        os.kill(client.pids[0], signal.SIGSTOP)
        work = Generate("generation", (2, 4), SamplingParameters(max_tokens=2))
        late, patient = (client.submit_all([work], deadline=time.monotonic() + in_s)[0] for in_s in (0.1, 60.0))
        with pytest.raises(TimedOut):
            await asyncio.wait_for(asyncio.wrap_future(late.future), 10)
        assert not patient.future.done()
        os.kill(client.pids[0], signal.SIGCONT)
        assert await asyncio.wait_for(asyncio.wrap_future(patient.future), 60)
        await client.stop(1.0)

    asyncio.run(scenario())


def test_an_engine_that_starts_gently_then_works_as_others_do() -> None:
    """Only a thread could give way: no plain user's process gets its priority back."""

    async def start() -> int:
        client = EngineClient(
            dataclasses.replace(OPTIONS, gently=True),
            entrance_of(read_contents(OPTIONS.bundle), OPTIONS.limits, EngineObserver()),
            EngineObserver(),
        )
        await client.start()
        assert client.pid is not None
        niceness = os.getpriority(os.PRIO_PROCESS, client.pid)  # of the thread that works, not of one that has loaded
        (ticket,) = client.submit_all([Generate("generation", (1, 300), SamplingParameters(max_tokens=2))])
        await wait_for([ticket])
        await client.stop(1.0)
        return niceness

    assert asyncio.run(start()) == os.nice(0)


def test_another_bundle_than_the_one_that_was_looked_at_is_none() -> None:
    """The folder may be overwritten between the server's look and the engine's, or before an engine is started anew."""

    async def start() -> None:
        options = dataclasses.replace(OPTIONS, fingerprint="0" * 64)
        entrance = entrance_of(read_contents(OPTIONS.bundle), OPTIONS.limits, EngineObserver())
        with pytest.raises(EngineUnavailable, match="has another bundle by now"):
            await EngineClient(options, entrance, EngineObserver()).start()

    asyncio.run(start())
