"""Ten thousand connections that send what no HTTP library would: the server stays well, and as large as it was."""

import asyncio
import os
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from tests.system.asking import REVIEWS
from tests.system.conftest import Launch, RunningServer
from tests.system.raw_http import RawCase, raw_case

NUM_CASES = 10_000
WARM_UP_CASES = 2_000
AT_ONCE = 32
PAUSE_S = 0.01
REPLY_S = 20.0
MOST_GROWTH_MB = 24
STATUS_LINE = re.compile(rb"HTTP/1\.[01] (\d{3}) ")
SERVER_ERRORS = {b"503", b"504"}
"""Those that are documented."""


@pytest.fixture(scope="module")
def fuzzed(launch: Launch) -> Iterator[RunningServer]:
    with launch() as server:
        yield server


async def _converse(port: int, case: RawCase) -> bytes:
    """Send the case; what the server says until it closes or has said enough."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    reply = b""
    try:
        with suppress(ConnectionError):
            for number, part in enumerate(case.parts):
                if number:
                    await asyncio.sleep(PAUSE_S)
                writer.write(part)
                await writer.drain()
            if case.awaits_reply:
                reply = await asyncio.wait_for(reader.read(65_536), REPLY_S)
            else:
                with suppress(TimeoutError):
                    reply = await asyncio.wait_for(reader.read(65_536), PAUSE_S)
    finally:
        writer.transport.abort()
    return reply


async def _send_all(port: int, numbers: range) -> list[str]:
    """What was wrong with the answers to the cases of these numbers."""
    wrong = []
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(number: int) -> None:
        case = raw_case(number)
        async with gate:
            reply = await _converse(port, case)
        found = STATUS_LINE.match(reply)
        if reply and found is None:
            wrong.append(f"case {number} ({case.kind}): no status line in {reply[:80]!r}")
        elif found is not None and found[1] >= b"500" and found[1] not in SERVER_ERRORS:
            wrong.append(f"case {number} ({case.kind}): {reply[:200]!r}")

    await asyncio.gather(*(one(number) for number in numbers))
    return wrong


def _resident_mb(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def test_the_server_outlives_ten_thousand_malformed_connections(fuzzed: RunningServer) -> None:
    port = fuzzed.client.base_url.port
    assert port is not None
    question = {"text": REVIEWS["en"]}
    before = fuzzed.client.post("/v1/sentiment", json=question).json()
    wrong = asyncio.run(_send_all(port, range(WARM_UP_CASES)))
    warm_mb = _resident_mb(fuzzed.process.pid)
    wrong += asyncio.run(_send_all(port, range(WARM_UP_CASES, NUM_CASES)))
    assert not wrong, "\n".join(wrong[:20])
    fuzzed.wait_for_metric("rondo_num_requests_waiting", lambda waiting: waiting == 0)
    grown_mb = _resident_mb(fuzzed.process.pid) - warm_mb
    assert grown_mb < MOST_GROWTH_MB
    assert fuzzed.client.get("/health/ready").status_code == 200
    assert fuzzed.client.post("/v1/sentiment", json=question).json() == before
    assert fuzzed.metric("rondo_requests_failed_total") == 0
