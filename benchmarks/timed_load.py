"""Loads one server until it is told to stop, and says when each reply came; a process of its own.

Reads its job as JSON from the first line of standard input, and stops when that is closed. Writes one row a reply as
JSON to standard output: second of the monotonic clock at which it came, its latency, its status, and which release of
the bundle it is from. Unlike `load.py` it goes on after errors. What is in flight at the end is waited for.
"""

import asyncio
import json
import re
import sys
import time
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.load import Client, Job, Load, job_from

Row = tuple[float, float, int, str]
_RELEASE = re.compile(rb"\r\nx-rondo-bundle: *([^\r]*)", re.IGNORECASE)
NO_REPLY = 0
"""The status of a request whose connection ended before its reply."""


class TimedLoad(Load):
    """Takes down every reply."""

    def __init__(self, job: Job) -> None:
        super().__init__(job)
        self.rows: list[Row] = []
        self.is_stopping = False

    def fail(self, message: str) -> None:
        """A request got no reply."""
        self.rows.append((time.monotonic(), 0.0, NO_REPLY, message))
        self.ended()


class TimedClient(Client):
    """Sends, takes down the reply whatever it is, sends the next."""

    load: TimedLoad

    def replied(self, reply: bytes) -> None:
        """Take the whole reply."""
        found = _RELEASE.search(reply)
        release = found[1].decode() if found is not None else ""
        self.load.rows.append((time.monotonic(), time.perf_counter() - self._sent_at, int(reply[9:12]), release))
        if self.load.is_stopping:
            self.load.ended()
        else:
            self.send()


async def _run(job: Job) -> list[Row]:
    load = TimedLoad(job)
    clients = [TimedClient(load, number) for number in range(job.concurrency)]

    async def until_told() -> None:
        await asyncio.to_thread(sys.stdin.read)
        load.is_stopping = True

    telling = asyncio.create_task(until_told())
    async with asyncio.timeout(job.longest_s):
        for client in clients:
            await client.open()
            client.send()
        await load.done
        await telling
    for client in clients:
        client.close()
    await asyncio.sleep(0)
    return load.rows


if __name__ == "__main__":
    write = partial(json.dump, fp=sys.stdout)
    write(asyncio.run(_run(job_from(json.loads(sys.stdin.readline())))))
