"""The client for whole files, through a fake transport."""

import io
import os
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from tests.services.client.conftest import ADDRESS, Handler

from rondo_services.client.errors import ConnectionFailed
from rondo_services.client.jobs import JobsClient
from rondo_services.jobs.spec import JobInput, JobSpec

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
