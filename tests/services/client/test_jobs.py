"""The client for whole files, through a fake transport."""

import io
import json
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.services.client.conftest import ADDRESS, Handler

from rondo_services.client.errors import ConnectionFailed, ServerError
from rondo_services.client.jobs import JobsClient
from rondo_services.errors import NotAuthenticated, RondoError, UnknownObject
from rondo_services.jobs.spec import JobInput, JobSpec
from rondo_services.jobs.types import JobState
from rondo_services.server.jobs.schema import JobReply

SPEC = JobSpec(service="sentiment", input=JobInput(source="file-1"))


def _client(handler: Handler) -> JobsClient:
    return JobsClient(ADDRESS, transport=httpx.MockTransport(handler))


@pytest.mark.parametrize("piped", [True, False])
def test_what_comes_through_a_pipe_is_sent_with_its_length(piped: bool) -> None:
    """The length of a pipe was taken for 0, and sending what came broke off."""
    seen: list[tuple[int, bytes]] = []

    def taken(request: httpx.Request) -> httpx.Response:
        seen.append((int(request.headers["content-length"]), request.read()))
        return httpx.Response(200, json={"id": "file-1"})

    begin, end = os.pipe()
    os.write(end, b"The boat.\n")
    os.close(end)
    with os.fdopen(begin, "rb") as pipe, _client(taken) as client:
        assert client.upload(pipe if piped else io.BytesIO(b"The boat.\n"), "a.txt") == "file-1"
    ((length, body),) = seen
    assert length == len(body)
    assert b"The boat.\n" in body


def test_a_job_to_which_no_reply_came_is_not_handed_in_again() -> None:
    """It was made a second time, and charged a second time."""
    num_asked = 0

    def lost(request: httpx.Request) -> httpx.Response:
        nonlocal num_asked
        num_asked += 1
        raise httpx.ReadError("away", request=request)

    with _client(lost) as client:
        with pytest.raises(ConnectionFailed):
            client.create_job(SPEC)
        assert num_asked == 1


def test_a_result_that_breaks_off_leaves_nothing(tmp_path: Path) -> None:
    """What had come of it stayed beside its place."""

    class Breaking(httpx.SyncByteStream):
        def __iter__(self) -> Iterator[bytes]:
            yield b"{}\n"
            raise httpx.ReadError("away")

    with _client(lambda request: httpx.Response(200, stream=Breaking())) as client:
        with pytest.raises(ConnectionFailed):
            client.fetch("job_1", "predictions", tmp_path / "out.jsonl")
        assert list(tmp_path.iterdir()) == []


def _refused(status: int, code: str, retry_after: int | None = None) -> Handler:
    headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
    return lambda _: httpx.Response(status, json={"error": {"code": code, "message": "why"}}, headers=headers)


class Turns:
    """Answers each request with the next handler, and keeps what was asked."""

    def __init__(self, *handlers: Handler) -> None:
        self._handlers = iter(handlers)
        self.paths: list[str] = []
        self.bodies: list[bytes] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.paths.append(request.url.path)
        self.bodies.append(request.read())
        return next(self._handlers)(request)


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds that were waited, which took no time."""
    pauses: list[float] = []
    monkeypatch.setattr("time.sleep", pauses.append)
    return pauses


def test_a_file_that_is_refused_for_now_is_sent_again_as_a_whole(pauses: list[float]) -> None:
    """It was given up at once, unlike any other request."""
    turns = Turns(_refused(429, "limit_reached", 3), lambda _: httpx.Response(200, json={"id": "file-1", "bytes": 10}))
    with _client(turns) as client:
        assert client.upload(io.BytesIO(b"The boat.\n"), "a.txt") == "file-1"
    assert pauses == [3]
    assert all(b"The boat.\n" in body for body in turns.bodies)


@pytest.mark.parametrize("content", [b"<html>", b"[1]", b"{}", b'{"id": 7}'])
def test_a_reply_to_a_file_that_is_none_is_an_error_of_ours(content: bytes) -> None:
    """The decoder's own error came through."""
    with (
        _client(lambda _: httpx.Response(200, content=content)) as client,
        pytest.raises(ServerError, match="does a Rondo server answer there"),
    ):
        client.upload(io.BytesIO(b"The boat.\n"), "a.txt")


def _reply(state: JobState, num_answered: int = 0) -> dict[str, Any]:
    reply = JobReply(
        **{"state": state, "num_planned": 9, "all_planned": True, "num_answered": num_answered, "num_bad": 0},
        **{"rate": None, "seconds_left": None, "id": "job_1", "spec": SPEC, "bundle": "b", "created_at": 0},
        **{"started_at": 0, "ended_at": None, "error": None, "parts": [], "result": None},
    )
    return reply.model_dump(mode="json")


def _standing(state: JobState, num_answered: int = 0) -> Handler:
    return lambda _: httpx.Response(200, json=_reply(state, num_answered))


def _events(*events: tuple[str, JobState, int]) -> Handler:
    told = [f"event: {kind}\ndata: {json.dumps(_reply(state, num))}\n\n: \n\n" for kind, state, num in events]
    return lambda _: httpx.Response(200, content="".join(told).encode())


def _away(request: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("away", request=request)


def _watched(turns: Turns) -> list[tuple[str, int]]:
    with JobsClient(ADDRESS, retries=0, transport=httpx.MockTransport(turns)) as client:
        return [(own.state, own.num_answered) for own in client.watch("job_1")]


def test_the_server_tells_how_a_job_goes_on(pauses: list[float]) -> None:
    events = _events(("progress", "running", 3), ("news", "running", 4), ("job", "done", 9))
    turns = Turns(_standing("queued"), events)
    assert _watched(turns) == [("queued", 0), ("running", 3), ("done", 9)]
    assert (turns.paths, pauses) == (["/v1/jobs/job_1", "/v1/jobs/job_1/events"], [])


def test_of_a_job_that_has_ended_nothing_more_is_asked() -> None:
    assert _watched(Turns(_standing("failed"))) == [("failed", 0)]


@pytest.mark.parametrize(
    ("trouble", "pause_s"),
    [
        ([_away], 1),
        ([_refused(429, "limit_reached", 7200)], 7200),
        ([_refused(429, "overloaded")], 1),
        ([_refused(503, "job_store_failed")], 1),
        ([lambda _: httpx.Response(502, content=b"<html>")], 1),
        ([_standing("running"), _events(("progress", "running", 1))], 1),
        ([_standing("running"), lambda _: httpx.Response(200, content=b'event: error\ndata: {"error":{}}\n\n')], 1),
        ([_standing("running"), _refused(429, "limit_reached", 60)], 60),
    ],
)
def test_what_passes_is_waited_out(
    pauses: list[float], caplog: pytest.LogCaptureFixture, trouble: list[Handler], pause_s: float
) -> None:
    """The command ended, though the job went on."""
    turns = Turns(*trouble, _standing("done", 9))
    with caplog.at_level(logging.WARNING, "rondo"):
        assert _watched(turns)[-1] == ("done", 9)
    assert pauses == [pause_s]
    assert bool(caplog.messages) == (pause_s >= 10)


@pytest.mark.parametrize(
    ("trouble", "kind"),
    [
        (_refused(404, "no_such_object"), UnknownObject),
        (_refused(401, "invalid_key"), NotAuthenticated),
        (lambda _: httpx.Response(200, content=b"<html>"), ServerError),
        (lambda _: httpx.Response(404, content=b"<html>"), ServerError),
    ],
)
def test_what_does_not_pass_is_raised(pauses: list[float], trouble: Handler, kind: type[RondoError]) -> None:
    with pytest.raises(kind):
        _watched(Turns(trouble))
    assert pauses == []
