"""Jobs that a server does for a command, with a fake server."""

import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import httpx
import pytest

from rondo_services.client.errors import ConnectionFailed
from rondo_services.client.jobs import JobsClient
from rondo_services.commands import remote_job as module
from rondo_services.commands.remote_job import RemoteRun, remote_job
from rondo_services.errors import EngineFailed, InvalidInput, RondoError
from rondo_services.jobs.spec import JobInput, JobSpec
from rondo_services.jobs.types import JobState
from rondo_services.server.jobs.schema import JobList, JobReply


class Server:
    """Takes a file and a job, which has ended when it is next asked for; if it runs, events tell of it and break off.

    Attributes:
        files, jobs: that it has.
        num_sent: files that came.
        refusal: of jobs; `{}` in it is the id of the file.
        is_silent: whether it makes a job and does not say so.
        ends: whether a job that runs does so, too, in the end.
        may_delete: whether the key may ask for that.
        num_gets: requests that read.
    """

    def __init__(self) -> None:
        self.files: set[str] = set()
        self.jobs: set[str] = set()
        self.state: JobState = "done"
        self.error: str | None = None
        self.refusal = ""
        self.is_silent = False
        self.ends = False
        self.may_delete = True
        self.num_gets = 0
        self.deleted: list[str] = []
        self.num_sent = 0

    def __call__(self, request: httpx.Request) -> httpx.Response:
        what, identifier, *rest = [*request.url.path.removeprefix("/v1/").split("/"), ""]
        mine = self.files if what == "files" else self.jobs
        if request.method == "DELETE":
            self.deleted.append(identifier)
        if identifier and identifier not in mine:
            error = {"code": "no_such_object", "message": f"there is no {identifier}", "field": "id"}
            return httpx.Response(404, json={"error": error})
        if request.method == "DELETE" and not self.may_delete:
            error = {"code": "limit_reached", "message": "no more today", "field": "id"}
            return httpx.Response(429, json={"error": error}, headers={"Retry-After": "3600"})
        if request.method == "DELETE":
            mine.remove(identifier)
            return httpx.Response(200, json={})
        if request.method == "GET":
            self.num_gets += 1
            if "events" in rest:
                return httpx.Response(200, stream=self._events())
            return self._job() if identifier else self._list()
        if what == "files":
            self.files.add("file-1")
            self.num_sent += 1
            return httpx.Response(200, json={"id": "file-1"})
        if self.refusal:
            error = {"code": "invalid_input", "message": self.refusal.format("file-1"), "field": "input.text"}
            return httpx.Response(422, json={"error": error})
        self.jobs.add("job_1")
        if self.is_silent:
            raise httpx.ReadError("away", request=request)
        return self._job()

    def _events(self) -> httpx.SyncByteStream:
        """Of a thousand changes, and of the end, if the job ends meanwhile."""
        server = self

        class Events(httpx.SyncByteStream):
            def __iter__(self) -> Iterator[bytes]:
                for _ in range(1000):
                    yield f"event: progress\ndata: {server._reply().model_dump_json()}\n\n".encode()
                if server.ends:
                    server.state = "done"
                    yield f"event: job\ndata: {server._reply().model_dump_json()}\n\n".encode()

        return Events()

    def _list(self) -> httpx.Response:
        data = [self._reply()] if self.jobs else []
        return httpx.Response(200, json=JobList(data=data, has_more=False).model_dump(mode="json"))

    def _job(self) -> httpx.Response:
        return httpx.Response(200, json=self._reply().model_dump(mode="json"))

    def _reply(self) -> JobReply:
        return JobReply(
            state=self.state,
            num_planned=1,
            all_planned=True,
            num_answered=1,
            num_bad=0,
            rate=None,
            seconds_left=0,
            id="job_1",
            spec=JobSpec(service="sentiment", input=JobInput(source="file-1")),
            bundle="b",
            created_at=0,
            started_at=0,
            ended_at=0,
            error=self.error,
            parts=["predictions"],
            result=None,
        )


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Server:
    server = Server()
    monkeypatch.setattr(module, "JobsClient", partial(JobsClient, transport=httpx.MockTransport(server)))
    return server


@pytest.fixture
def spec(tmp_path: Path) -> JobSpec:
    path = tmp_path / "reviews.jsonl"
    path.write_text('{"text": "Good."}\n', encoding="utf-8")
    return JobSpec(service="sentiment", input=JobInput(source=str(path)))


@pytest.fixture
def run(tmp_path: Path) -> RemoteRun:
    return RemoteRun(tmp_path / "own", "http://rondo.test", "")


def test_a_job_and_its_file_are_forgotten_at_the_end(server: Server, spec: JobSpec, run: RemoteRun) -> None:
    with remote_job(spec, run) as (job, _):
        assert (job.id, server.files, run.folder.exists()) == ("job_1", {"file-1"}, True)
    assert (server.files, server.jobs, run.folder.exists()) == (set(), set(), False)


@pytest.mark.parametrize("gone", ["file-1", "job_1"])
def test_what_somebody_else_deleted_does_not_matter_at_the_end(
    server: Server, spec: JobSpec, run: RemoteRun, gone: str
) -> None:
    """The command failed after the job had been deleted, and was done anew when it was asked for again."""
    with remote_job(spec, run):
        server.files.discard(gone)
        server.jobs.discard(gone)
    assert (server.files, server.jobs, run.folder.exists()) == (set(), set(), False)
    assert server.deleted == ["job_1", "file-1"]


@pytest.mark.parametrize(
    ("is_silent", "kind", "told"), [(False, InvalidInput, "no column 'text'"), (True, ConnectionFailed, "away")]
)
def test_a_job_that_is_not_taken_leaves_no_file(
    server: Server, spec: JobSpec, run: RemoteRun, is_silent: bool, kind: type[RondoError], told: str
) -> None:
    """Each try left what it had sent, and its reason named a file that the user had never heard of."""
    server.is_silent, server.refusal = is_silent, "" if is_silent else "{}: no column 'text'"
    with pytest.raises(kind, match=told) as raised, remote_job(spec, run):
        pass
    assert (server.files, server.deleted, run.folder.exists()) == (set(), ["file-1"], False)
    if not is_silent:
        assert str(raised.value) == raised.value.message == f"{spec.input.source}: no column 'text'"


def test_a_job_that_failed_says_why_in_terms_of_the_users_file(server: Server, spec: JobSpec, run: RemoteRun) -> None:
    server.state, server.error = "failed", "file-1, after line 3: the data break off"
    with pytest.raises(EngineFailed) as raised, remote_job(spec, run):
        pass
    assert str(raised.value) == f"the job failed: {spec.input.source}, after line 3: the data break off"
    assert (server.files, server.jobs, run.folder.exists()) == (set(), set(), False)


@contextmanager
def _killed_while_waiting(server: Server, spec: JobSpec, run: RemoteRun) -> Iterator[None]:
    """A command that handed in a job, and ended before the job did."""
    server.state = "running"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("time.sleep", _killed)
        with pytest.raises(KeyboardInterrupt), remote_job(spec, run):
            pass
    server.state = "done"
    yield


def _killed(seconds: float) -> None:
    raise KeyboardInterrupt


def test_the_same_command_waits_on_for_its_job(server: Server, spec: JobSpec, run: RemoteRun) -> None:
    with _killed_while_waiting(server, spec, run), remote_job(spec, run) as (job, _):
        assert (job.id, server.num_sent) == ("job_1", 1)


def test_waiting_takes_two_requests_however_long_it_takes(server: Server, spec: JobSpec, run: RemoteRun) -> None:
    """Two a second used up the requests that a key has a day, and then the command failed."""
    server.state, server.ends = "running", True
    with remote_job(spec, run) as (job, _):
        assert (job.state, server.num_gets) == ("done", 2)


def test_a_result_that_is_there_is_not_lost_to_a_key_that_is_used_up(
    server: Server, spec: JobSpec, run: RemoteRun
) -> None:
    """The command failed over what only tidies up, and was charged anew when it was given again."""
    server.may_delete = False
    with remote_job(spec, run) as (job, _):
        assert job.state == "done"
    assert (server.files, server.jobs, run.folder.exists()) == ({"file-1"}, {"job_1"}, False)


def test_answers_to_what_the_file_was_are_not_those_to_what_it_is(
    server: Server, spec: JobSpec, run: RemoteRun
) -> None:
    """They were handed out without a word."""
    with _killed_while_waiting(server, spec, run):
        Path(spec.input.source).write_text('{"text": "Bad, very bad."}\n', encoding="utf-8")
        with pytest.raises(InvalidInput, match="has changed since the job began"), remote_job(spec, run):
            pass


def test_standard_input_that_is_another_is_noticed(
    server: Server, run: RemoteRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = JobSpec(service="sentiment", input=JobInput(source="-", format="text"))
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"Good.\n")))
    with _killed_while_waiting(server, spec, run):
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"Evil.\n")))
        with pytest.raises(InvalidInput, match="standard input has changed"), remote_job(spec, run):
            pass


def test_closed_standard_input_is_told(server: Server, run: RemoteRun, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", None)
    spec = JobSpec(service="sentiment", input=JobInput(source="-", format="text"))
    with pytest.raises(InvalidInput, match="standard input is closed"), remote_job(spec, run):
        pass
    assert server.num_sent == 0


def test_a_url_is_opened_as_without_a_server(server: Server, spec: JobSpec, run: RemoteRun) -> None:
    source = Path(spec.input.source).resolve().as_uri()
    there = spec.model_copy(update={"input": spec.input.model_copy(update={"source": source})})
    with remote_job(there, run):
        pass
    assert server.num_sent == 1


def test_a_job_that_was_made_but_not_noted_is_found_by_its_file(server: Server, spec: JobSpec, run: RemoteRun) -> None:
    with _killed_while_waiting(server, spec, run):
        path = run.folder / "job.json"
        path.write_text(json.dumps({**json.loads(path.read_text(encoding="utf-8")), "id": None}), encoding="utf-8")
        with remote_job(spec, run) as (job, _):
            assert (job.id, server.num_sent) == ("job_1", 1)


def test_a_folder_with_a_job_of_this_machine_is_left_alone(server: Server, spec: JobSpec, run: RemoteRun) -> None:
    """It ended in a traceback."""
    run.folder.mkdir()
    (run.folder / "job.json").write_text(json.dumps({"id": "job_1", "spec": spec.model_dump(), "bundle": "b"}))
    with pytest.raises(InvalidInput, match="has a job of this machine"), remote_job(spec, run):
        pass
    assert run.folder.exists()
