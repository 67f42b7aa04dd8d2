"""What a job leaves, over real services in this process."""

import asyncio
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.services.jobs.working import lines_of

from rondo_services.evaluation.measuring import measure
from rondo_services.jobs.files import StateFiles
from rondo_services.jobs.means import SuiteMeans
from rondo_services.jobs.spec import JobInput, JobSpec
from rondo_services.jobs.store import JobStore
from rondo_services.jobs.types import Job, StoredFile
from rondo_services.jobs.worker import JobWorker, WorkerTerms
from rondo_services.local import LocalSuite

Run = Callable[..., Job]
REVIEWS = 'text,label\n"The boat is slow.",negative\nThe train is late today.,positive\nA slow train.,\n,positive\n'
PAIRS = (
    "text\treference\nThe boat is slow.\tDas Boot ist langsam.\nThe train on the river is late.\tDer Zug ist langsam.\n"
)


class _Means(SuiteMeans):
    before_the_end: Callable[[], None] | None = None

    async def finish(self, job: Job) -> Mapping[str, Any]:
        if self.before_the_end is not None:
            self.before_the_end()
        return await super().finish(job)


@pytest.fixture
def run(suite: LocalSuite, store: JobStore, files: StateFiles, tmp_path: Path) -> Run:
    """Answer a file's content, as the job ended; `before_the_end` is called when all chunks are answered."""

    def run(content: str, ending: str, **more: Any) -> Job:
        source = tmp_path / f"input.{ending}"
        source.write_text(content, encoding="utf-8")
        expected = more.pop("expected", None)
        stored, before_the_end = more.pop("stored", files), more.pop("before_the_end", None)
        given: dict[str, Any] = {"service": "sentiment", "chunk": 2, **more}
        spec = JobSpec(input=JobInput(source=str(source), expected=expected), **given)
        job = store.add_job("job", "", spec.model_dump(), "tiny")
        means = _Means(suite, store, stored)
        means.before_the_end = before_the_end
        worker = JobWorker(store, stored, means, WorkerTerms("worker", "tiny", job.id))
        asyncio.run(asyncio.wait_for(worker.run(asyncio.Event()), 60))
        ended = store.job(job.id)
        assert ended is not None
        return ended

    return run


def _report(job: Job, files: StateFiles) -> dict[str, Any]:
    assert job.result is not None, job
    with files.open_read(job.result["files"]["report.json"]) as file:
        report: dict[str, Any] = json.load(file)
    return report


def test_answers_and_errors_are_joined_in_order(run: Run, files: StateFiles) -> None:
    lines: list[Any] = ["The boat.", None, "The train.", 5, "The river.", {}, "A slow train."]
    job = run("\n".join(json.dumps({"text": text}) for text in lines), "jsonl")
    assert job.result is not None
    assert set(job.result) == {"files"}
    output = lines_of(files, job.result["files"]["predictions.jsonl"])
    errors = lines_of(files, job.result["files"]["errors.jsonl"])
    assert [line["line"] for line in output] == [1, 3, 5, 7]
    assert [line["line"] for line in errors] == [2, 4, 6]
    assert all("label" in line for line in output)
    assert all(line["reason"] for line in errors)


def test_where_nothing_is_bad_there_is_no_file_of_errors(run: Run) -> None:
    job = run("The boat.\nThe train.\n", "txt")
    assert job.result is not None
    assert list(job.result["files"]) == ["predictions.jsonl"]


def test_a_report_has_what_is_measured_and_where_it_is_from(run: Run, files: StateFiles) -> None:
    job = run(REVIEWS, "csv", expected="label", evaluate=True)
    report = _report(job, files)
    assert job.result is not None
    predictions = lines_of(files, job.result["files"]["predictions.jsonl"])
    assert report["metrics"] == json.loads(json.dumps(measure("sentiment", predictions).metrics))
    assert job.result["metrics"] == report["metrics"]
    assert job.result["signature"] == report["signature"]
    assert (report["task"], report["data"], report["split"]) == ("sentiment", "input.csv", "")
    assert (report["num_examples"], report["num_errors"]) == (job.num_answered, job.num_bad)
    assert report["bundle"] == "tiny 1"
    assert report["settings"]["precision"] in ("float32", "mixed", "int16")
    assert set(report["speed"]["chunk_seconds"]) == {"p50", "p90", "p99"}
    assert {"report.html", "report.md"} <= set(job.result["files"])


def test_a_file_that_was_uploaded_has_the_name_that_its_sender_gave_it(
    run: Run, store: JobStore, files: StateFiles, tmp_path: Path
) -> None:
    """Its random id was in the signature, which so was never that of another measurement of the same file."""
    sent = StoredFile(str(tmp_path / "input.csv"), "", "reviews.csv", "job", 1, 0.0, None, "files/1")
    store.add_file(sent)
    report = _report(run(REVIEWS, "csv", expected="label", evaluate=True), files)
    assert report["data"] == "reviews.csv"
    assert "|data:reviews.csv:" in report["signature"]


def test_a_pause_is_no_time_of_the_job(run: Run, files: StateFiles, tmp_path: Path) -> None:
    """A job that was stopped for the night was said to have worked all night."""

    def sleep_after_the_first_chunk() -> None:
        (first,) = (tmp_path / "files" / "jobs").glob("*/chunks/out/00000000-*")
        written = first.stat().st_mtime - 3600
        os.utime(first, (written, written))

    report = _report(
        run(REVIEWS, "csv", expected="label", evaluate=True, before_the_end=sleep_after_the_first_chunk), files
    )
    assert report["seconds"] == report["speed"]["seconds"] < 600
    assert report["speed"]["texts_per_s"] > 0
    assert report["speed"]["chunk_texts"] == 2


def test_where_files_have_no_time_there_is_no_speed(run: Run) -> None:
    stored = StateFiles("memory://files")
    report = _report(run(REVIEWS, "csv", expected="label", evaluate=True, stored=stored), stored)
    assert report["seconds"] is None
    assert set(report["speed"]) == {"chunk_texts", "chunk_seconds"}


def test_the_same_records_have_the_same_hash_in_chunks_of_any_size(run: Run, files: StateFiles) -> None:
    first = _report(run(REVIEWS, "csv", expected="label", evaluate=True), files)
    again = _report(run(REVIEWS, "csv", expected="label", evaluate=True, chunk=1), files)
    other = _report(run(REVIEWS.replace("late", "soon"), "csv", expected="label", evaluate=True), files)
    assert first["data_sha256"] == again["data_sha256"] != other["data_sha256"]
    assert first["signature"] == again["signature"]


def test_settings_that_are_not_the_default_are_told(run: Run, files: StateFiles) -> None:
    options = {"source": "en", "target": "de", "beam_size": 2, "format": "plain"}
    job = run(PAIRS, "tsv", service="translation", expected="reference", evaluate=True, options=options)
    report = _report(job, files)
    assert options.items() <= report["settings"].items()
    assert "|beam_size:2" in report["signature"]
    assert "bleu" in report["metrics"]


def test_a_zero_that_is_not_the_default_is_told(run: Run, files: StateFiles) -> None:
    """A length penalty of 0 was left out, and so measured again with that of 1."""
    options = {"target": "de", "beam_size": 1, "length_penalty": 0}
    report = _report(
        run(PAIRS, "tsv", service="translation", expected="reference", evaluate=True, options=options), files
    )
    assert report["settings"]["length_penalty"] == 0
    assert "|length_penalty:0" in report["signature"]
    assert not {"rerank", "alternatives", "explain", "glossary"} & set(report["settings"])


def test_some_translations_are_shown_with_their_attention(run: Run, files: StateFiles) -> None:
    options = {"source": "en", "target": "de", "beam_size": 1}
    job = run(PAIRS, "tsv", service="translation", expected="reference", evaluate=True, options=options)
    (shown,) = _report(job, files)["attention"]  # the other source has fewer than five words
    assert "".join(shown["source"]).replace("▁", " ").strip().startswith("The")
    assert len(shown["weights"]) == len(shown["target"])
    assert {len(row) for row in shown["weights"]} == {len(shown["source"])}


@pytest.mark.parametrize("text", ["A train.", "The train on the river is late " * 3])
def test_where_no_text_is_good_to_look_at_the_nearest_are(run: Run, files: StateFiles, text: str) -> None:
    pairs = f"text\treference\nBoot.\tBoat.\n{text}\tDer Zug.\n{'boat ' * 40}\tBoot.\n"
    options = {"source": "en", "target": "de", "beam_size": 1}
    job = run(pairs, "tsv", service="translation", expected="reference", evaluate=True, options=options)
    assert len(_report(job, files)["attention"]) == 3


@pytest.mark.parametrize(
    ("service", "options", "metric"),
    [("perplexity", {}, "token_perplexity"), ("summarization", {}, "rouge1"), ("generation", {"max_tokens": 3}, None)],
)
def test_every_service_can_be_measured(
    run: Run, files: StateFiles, service: str, options: dict[str, Any], metric: str | None
) -> None:
    content = '{"text": "The boat is slow.", "own": "slow boat"}\n'
    expected = "own" if service == "summarization" else None
    job = run(content, "jsonl", service=service, options=options, evaluate=True, expected=expected)
    assert job.state == "done", job.error
    report = _report(job, files)
    assert report["num_examples"] == 1
    assert metric is None or report["metrics"][metric] >= 0


def test_an_empty_input_has_a_report(run: Run, files: StateFiles) -> None:
    job = run("text,label\n", "csv", expected="label", evaluate=True)
    assert job.state == "done", job.error
    assert _report(job, files)["num_examples"] == 0


def test_labels_that_the_model_does_not_know_are_measured(run: Run, files: StateFiles) -> None:
    job = run("text,label\nThe boat.,joy\nThe train.,positive\n", "csv", expected="label", evaluate=True)
    assert job.state == "done", job.error
    assert "joy" in _report(job, files)["metrics"]["confusion"]
