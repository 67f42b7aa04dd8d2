"""The closed loop of the benchmarks: who asks whom for what, and what is made of the replies."""

import asyncio
from collections import Counter
from contextlib import closing, suppress
from dataclasses import asdict, replace

import pytest
from benchmarks.load import Job, Load, Measured, Target, job_from, measured_from, quantile, run

ONE = Target(1, "/one", ["a", "b", "c", "d"])
TWO = Target(2, "/two", ["e"])
JOB = Job("127.0.0.1", [ONE, TWO], 4, 0.05, 10.0)


async def _load(job: Job) -> Load:
    return Load(job)


def test_every_target_gets_the_same_share() -> None:
    load = asyncio.run(_load(JOB))
    asked = Counter(load.request(number, count)[0] for number in range(4) for count in range(6))
    assert asked == {0: 12, 1: 12}


def test_clients_begin_at_different_bodies_and_send_them_in_turns() -> None:
    load = asyncio.run(_load(replace(JOB, targets=[ONE])))
    assert [load.request(number, 0)[1][-1:] for number in range(4)] == [b"a", b"b", b"c", b"d"]
    assert [load.request(2, count)[1][-1:] for count in range(5)] == [b"c", b"d", b"a", b"b", b"c"]


def test_a_job_survives_its_way_to_the_other_process() -> None:
    assert job_from(asdict(JOB)) == JOB


def test_quantile_is_the_nearest_rank() -> None:
    assert [quantile([1.0, 2.0, 3.0, 4.0], share) for share in (0.0, 0.5, 0.99)] == [1.0, 3.0, 4.0]


class _Servers:
    """Two servers that answer at once; the first closes a connection after each reply."""

    def __init__(self) -> None:
        self.paths: Counter[str] = Counter()
        self.status = 200

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with closing(writer), suppress(asyncio.IncompleteReadError):
            while True:
                path = (await reader.readuntil(b"\r\n\r\n")).split()[1].decode()
                self.paths[path] += 1
                await reader.readexactly(1)
                writer.write(f"HTTP/1.1 {self.status} X\r\nContent-Length: 2\r\n\r\nok".encode())
                if path == ONE.path:
                    break

    async def load(self) -> Measured:
        async with (
            await asyncio.start_server(self._answer, JOB.host, 0) as one,
            await asyncio.start_server(self._answer, JOB.host, 0) as two,
        ):
            ports = [server.sockets[0].getsockname()[1] for server in (one, two)]
            targets = [replace(target, port=port) for target, port in zip((ONE, TWO), ports, strict=True)]
            return await run(replace(JOB, targets=targets))


def test_both_servers_are_asked_even_if_one_closes_idle_connections() -> None:
    servers = _Servers()
    measured = asyncio.run(servers.load())
    assert measured.num_sent == servers.paths.total()
    assert measured.num_measured == sum(target.num_measured for target in measured.targets) > 0
    assert abs(servers.paths["/one"] - servers.paths["/two"]) <= JOB.concurrency
    assert measured_from(asdict(measured)) == measured


def test_a_refusal_ends_the_run() -> None:
    servers = _Servers()
    servers.status = 500
    with pytest.raises(RuntimeError, match="500"):
        asyncio.run(servers.load())
