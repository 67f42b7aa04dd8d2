import asyncio
import copy
import gzip
import io
import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from shutil import rmtree
from typing import Any

import pytest
from filelock import FileLock, Timeout

from rondo_models.bundle import Bundle, save_bundle
from rondo_models.config import Precision
from rondo_models.manifest import BundleError
from rondo_services.errors import InvalidInput
from rondo_services.jobs import local
from rondo_services.jobs.files import StateFiles
from rondo_services.jobs.local import LocalRun, local_job
from rondo_services.jobs.means import SuiteMeans
from rondo_services.jobs.settings import JobPlace, WorkerSettings
from rondo_services.jobs.spec import JobInput, JobSpec
from rondo_services.jobs.store import JobStore
from rondo_services.jobs.types import Job
from rondo_services.jobs.worker import JobWorker, WorkerTerms
from rondo_services.local import LocalSuite, load_suite

TEXTS = [f"The boat number {number} is late." for number in range(30)]


class Interrupted(Exception):
    """As if the process had died."""


@dataclass
class Here:
    """Workers in this process; `chunks_left` of them are done before it dies, None: all."""

    run: LocalRun
    suite: LocalSuite
    chunks_left: int | None = None
    began: int = 0

    def foreground(self, store: JobStore, job: Job, *rest: Any) -> Job:
        self.began += 1
        files = StateFiles(self.run.settings.place.files_url)
        means = SuiteMeans(self.suite, store, files)
        ask, left = means.ask, self.chunks_left

        async def counted(works: Any) -> list[Any]:
            nonlocal left
            if left == 0:
                raise asyncio.CancelledError
            left = None if left is None else left - 1
            return await ask(works)

        means.ask = counted  # type: ignore[method-assign]
        terms = WorkerTerms("here", self.suite.contents.fingerprint, job.id, chunks_at_once=1)

        async def work() -> None:
            running = asyncio.create_task(JobWorker(store, files, means, terms).run(asyncio.Event()))
            while not running.done():
                await asyncio.sleep(0.01)
                if left == 0:
                    running.cancel()
                    with suppress(asyncio.CancelledError):
                        await running
                    raise Interrupted
            running.result()

        asyncio.run(work())
        ended = store.job(job.id)
        assert ended is not None
        return ended

    def __call__(self, spec: JobSpec, stream: io.BytesIO | None = None) -> tuple[Job, list[dict[str, Any]]]:
        """A job as it ended, and its output."""
        with local_job(spec, self.run, stream, lambda job: None) as ended:
            job = ended.job
            if job.result is None:
                return job, []
            with ended.files.open_read(job.result["files"]["predictions.jsonl"]) as file:
                return job, [json.loads(line) for line in file]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "texts.txt"
    path.write_text("\n".join(TEXTS), encoding="utf-8")
    return path


@pytest.fixture
def here(bundle_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Here]:
    suite = load_suite(bundle_folder, max_wait_s=0)
    job = tmp_path / "job"
    own = Here(LocalRun(job, WorkerSettings(JobPlace.in_folder(job), bundle_folder)), suite)
    monkeypatch.setattr(local, "run_in_foreground", own.foreground)
    yield own
    suite.close()


def _spec(source: Path | str, **more: Any) -> JobSpec:
    given: dict[str, Any] = {"service": "sentiment", "chunk": 4, **more}
    return JobSpec(input=JobInput(source=str(source), format="text"), **given)


def _interrupt(here: Here, spec: JobSpec, stream: io.BytesIO | None = None) -> None:
    here.chunks_left = 3
    with pytest.raises(Interrupted):
        here(spec, stream)
    here.chunks_left = None


def test_a_job_is_run_in_a_folder_of_its_own(here: Here, source: Path) -> None:
    job, lines = here(_spec(source))
    assert job.state == "done"
    assert [line["text"] for line in lines] == TEXTS
    assert here.run.folder.stat().st_mode & 0o077 == 0 or (here.run.folder / "files").stat().st_mode & 0o077 == 0


def test_asked_for_again_it_goes_on(here: Here, source: Path) -> None:
    _interrupt(here, _spec(source))
    job, lines = here(_spec(source))
    assert [line["text"] for line in lines] == TEXTS
    assert job.num_answered == 30
    again, same = here(_spec(source))
    assert (again.id, same) == (job.id, lines)
    assert here.began == 2


@pytest.mark.parametrize(
    ("change", "told"),
    [({"chunk": 5}, "chunk"), ({"options": {"language": "ko"}}, "options"), ({"max_errors": 3}, "max_errors")],
)
def test_another_job_in_the_same_folder_is_refused(here: Here, source: Path, change: dict[str, Any], told: str) -> None:
    _interrupt(here, _spec(source))
    with pytest.raises(InvalidInput, match=f"not the same: it differs in {told}; delete it to begin anew"):
        here(_spec(source, **change))
    assert here(_spec(source))[0].state == "done"


def _in_precision(here: Here, precision: Precision | None) -> Here:
    return replace(here, run=replace(here.run, settings=replace(here.run.settings, precision=precision)))


def test_another_precision_is_refused(here: Here, source: Path) -> None:
    """The rest was answered in it, and the report said that all was."""
    begun = _in_precision(here, "float32")
    _interrupt(here, _spec(source))
    with pytest.raises(InvalidInput, match="not the same: it differs in precision; delete it to begin anew"):
        begun(_spec(source))
    with pytest.raises(InvalidInput, match="it differs in chunk, precision"):
        begun(_spec(source, chunk=5))
    assert here(_spec(source))[0].state == "done"


def test_a_job_whose_precision_nobody_kept_goes_on(here: Here, source: Path) -> None:
    """It was begun by an earlier version."""
    _interrupt(here, _spec(source))
    path = here.run.folder / "job.json"
    kept = json.loads(path.read_text(encoding="utf-8"))
    assert kept.pop("precision") == "auto"
    path.write_text(json.dumps(kept), encoding="utf-8")
    job, lines = _in_precision(here, "float32")(_spec(source))
    assert job.id == kept["id"]
    assert [line["text"] for line in lines] == TEXTS


def test_a_language_that_the_bundle_lacks_is_refused_before_anything_is_done(here: Here, source: Path) -> None:
    spec = JobSpec(service="translation", input=_spec(source).input, options={"target": "fr"})
    with pytest.raises(InvalidInput, match="options of translation: target: Input should be 'en', 'de' or 'ko'"):
        here(spec)
    assert not here.run.folder.exists()


def test_a_job_of_a_server_is_another_one(here: Here, source: Path) -> None:
    """It was written over, so that nobody knew any more of the job that the server did."""
    here.run.folder.mkdir()
    remembered = json.dumps({"id": "job_1", "server": "http://server", "spec": _spec(source).model_dump()})
    (here.run.folder / "job.json").write_text(remembered, encoding="utf-8")
    with pytest.raises(InvalidInput, match="has another job, of http://server; delete it to begin anew"):
        here(_spec(source))
    assert (here.run.folder / "job.json").read_text(encoding="utf-8") == remembered


def test_what_those_had_who_died_is_free_at_once(here: Here, source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody went on with it before the leases ran out."""
    monkeypatch.setattr(JobStore, "release_worker", lambda *given, **told: None)  # as if it had been killed
    _interrupt(here, _spec(source))
    kinds = []

    def foreground(store: JobStore, job: Job, *rest: Any) -> Job:
        while (lease := store.lease("another", 60.0)) is not None:
            kinds.append((lease.kind, lease.chunk and lease.chunk.number))
        return job

    monkeypatch.setattr(local, "run_in_foreground", foreground)
    here(_spec(source))
    assert ("answer", 3) in kinds


def test_a_folder_that_is_forgotten_only_in_part_is_no_job(
    here: Here, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed while it was deleted, it could be left with a job that was done and whose files were gone, for ever."""

    def killed(folder: Path) -> None:
        with pytest.raises(Timeout):
            FileLock(folder / ".lock").acquire(timeout=0)
        rmtree(folder / "files")
        raise Interrupted

    with local_job(_spec(source), here.run, None, lambda job: None) as ended, monkeypatch.context() as patched:
        patched.setattr("rondo_services.jobs.local.shutil.rmtree", killed)
        with pytest.raises(Interrupted):
            ended.forget()
    _, lines = here(_spec(source))
    assert [line["text"] for line in lines] == TEXTS
    with local_job(_spec(source), here.run, None, lambda job: None) as ended:
        ended.forget()
    assert not here.run.folder.exists()


def test_another_bundle_is_refused(here: Here, source: Path, tmp_path: Path, bundle: Bundle) -> None:
    _interrupt(here, _spec(source))
    other = copy.deepcopy(bundle.model)
    other.backbone.embedding.weight.zero_()
    save_bundle(tmp_path / "other", bundle.contents.manifest, other, bundle.contents.tokenizer, "A tiny bundle.")
    run = replace(here.run, settings=replace(here.run.settings, bundle=tmp_path / "other"))
    with pytest.raises(InvalidInput, match="it is of another bundle"):
        replace(here, run=run)(_spec(source))


@pytest.mark.parametrize("whole", [False, True])
def test_an_input_that_has_changed_is_refused(here: Here, source: Path, whole: bool) -> None:
    if whole:
        here(_spec(source))
    else:
        _interrupt(here, _spec(source))
    source.write_text("Other texts.\n", encoding="utf-8")
    with pytest.raises(InvalidInput, match=r"has changed since the job began; delete .* to begin anew"):
        here(_spec(source))


def test_an_input_that_changes_while_it_is_read_fails_the_job(
    here: Here, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    foreground = here.foreground

    def changing(*given: Any) -> Job:
        source.write_text("Other texts.\n", encoding="utf-8")
        return foreground(*given)

    monkeypatch.setattr(local, "run_in_foreground", changing)
    job, _ = here(_spec(source))
    assert job.state == "failed"
    assert job.error is not None
    assert job.error.endswith("has changed since the job began")


def test_a_job_that_another_process_runs_is_refused(here: Here, source: Path) -> None:
    here.run.folder.mkdir()
    with FileLock(here.run.folder / ".lock"), pytest.raises(InvalidInput, match="another process runs this job"):
        here(_spec(source))
    assert here(_spec(source))[0].state == "done"


@pytest.mark.parametrize("state", ["failed", "cancelled", "cancelled while the dead had a part of it"])
def test_a_job_that_ended_badly_begins_anew(here: Here, source: Path, state: str) -> None:
    _interrupt(here, _spec(source, chunk=3))
    with JobStore(here.run.settings.place.database_url) as store:
        (job,) = store.jobs("job", "")
        if state == "cancelled":
            store.release_job(job.id)
            store.cancel(job.id)
        else:
            lease = store.lease("somebody", 60.0)
            assert lease is not None
            if state == "failed":
                store.fail(lease, "no")
            else:
                store.cancel(job.id)
    again, lines = here(_spec(source))
    assert again.id != job.id
    assert [line["text"] for line in lines] == TEXTS
    assert [path.name for path in (here.run.folder / "files" / "jobs").iterdir()] == [again.id]
    with JobStore(here.run.settings.place.database_url) as store:
        assert store.job(job.id) is None


def _standard_input(*more: str) -> io.BytesIO:
    return io.BytesIO("\n".join([*TEXTS, *more]).encode())


def test_standard_input_is_kept_until_the_job_is_done(here: Here) -> None:
    _interrupt(here, _spec("-"), _standard_input())
    _, lines = here(_spec("-"), _standard_input())
    assert [line["text"] for line in lines] == TEXTS


def test_another_standard_input_is_refused(here: Here) -> None:
    _interrupt(here, _spec("-"), _standard_input())
    with pytest.raises(InvalidInput, match="standard input has changed since the job began"):
        here(_spec("-"), _standard_input("One more."))


@pytest.mark.parametrize(
    ("spec", "content", "told"),
    [
        (JobInput(source="-", format="csv"), b"a,b\n", "standard input: there is no column 'text'"),
        (JobInput(source="-", format="text", compression="gzip"), b"text", "standard input: the gzip data are damaged"),
    ],
)
def test_standard_input_that_can_not_be_read_is_refused_before_anything_is_begun(
    here: Here, spec: JobInput, content: bytes, told: str
) -> None:
    """Only a worker noticed, which called it by the file in which it was kept."""
    with pytest.raises(InvalidInput, match=f"^{told}"):
        here(JobSpec(service="sentiment", input=spec), io.BytesIO(content))
    assert here.began == 0


def test_standard_input_that_breaks_off_is_called_that(here: Here) -> None:
    packed = gzip.compress("\n".join(TEXTS * 100).encode())[:-8]
    job, _ = here(_spec("-"), io.BytesIO(packed))
    assert (job.state, (job.error or "").partition(",")[0]) == ("failed", "standard input")


def test_without_a_bundle_no_folder_is_made(here: Here, source: Path, tmp_path: Path) -> None:
    run = replace(here.run, settings=replace(here.run.settings, bundle=tmp_path / "nowhere"))
    with pytest.raises(BundleError):
        replace(here, run=run)(_spec(source))
    assert not here.run.folder.exists()


def test_an_empty_input_has_an_empty_output(here: Here, source: Path) -> None:
    source.write_text("", encoding="utf-8")
    job, lines = here(_spec(source))
    assert (job.state, job.num_planned, lines) == ("done", 0, [])


def _as_table(source: Path) -> JobSpec:
    return JobSpec(service="sentiment", input=JobInput(source=str(source), format="csv"))


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        (lambda source: _spec(source, options={"beam_size": 1}), "options of sentiment: beam_size"),
        (lambda source: _spec(source.with_name("missing.txt")), r"missing\.txt: no such file"),
        (_as_table, "there is no column 'text'"),
        (lambda source: _spec(source, service="requests"), "requests are answered by a server"),
        (lambda source: JobSpec(service="sentiment", input=JobInput(source="-")), "tell its format"),
    ],
)
def test_what_can_not_be_is_refused_before_anything_is_begun(
    here: Here, source: Path, spec: Callable[[Path], JobSpec], told: str
) -> None:
    with pytest.raises(InvalidInput, match=told):
        here(spec(source), _standard_input())
    assert here.began == 0
    assert not here.run.folder.exists()
