"""Puts a job's output together, in the order of the input, and measures it if that was asked for."""

import asyncio
import hashlib
import json
import math
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy
import zstandard

from ..evaluation.measuring import measure
from ..evaluation.pages.writing import PAGES
from ..evaluation.report import PREDICTIONS, REPORT, Report, write_report
from ..suite import Suite
from .chunks import append_lines
from .examples import alignments
from .files import StateFiles
from .inputs.endings import name_of
from .options import JobOptions, SummarizationJob, TranslationJob, checked_options
from .planning import chunk_file
from .spec import JobSpec
from .store import JobStore
from .tasks.task import Ask
from .types import DoneChunk, Job

__all__ = ["ERRORS", "PREDICTIONS", "finish_job", "result_file"]

ERRORS = "errors.jsonl"

_PERCENTILES = (50, 90, 99)
_NOT_SETTINGS = {"text", "prompt", "stream"}
_NOTHING = (None, False, 0)
"""Defaults that stand for what is not done at all."""


def result_file(job_id: str, name: str) -> str:
    """Name of what a job leaves, in the state's files."""
    return f"jobs/{job_id}/{name}"


async def finish_job(job: Job, suite: Suite, store: JobStore, files: StateFiles, ask: Ask) -> Mapping[str, Any]:
    """Write the output of all chunks as one file, what could not be answered as another, and a report if asked for.

    Returns:
        `files`: the names of those that are there, by their last part; and of a report, `metrics` and `signature`.
    """
    written = await asyncio.to_thread(_joined, job, store, files)
    spec = JobSpec.model_validate(job.spec)
    if not spec.evaluate:
        return {"files": written}
    attention = await alignments(spec, suite, _lines(files, written[PREDICTIONS]), ask)
    report = await asyncio.to_thread(_report, job, spec, suite, store, files, {"attention": attention})
    for name in (REPORT, *PAGES):
        written[name] = result_file(job.id, name)
    return {"files": written, "metrics": report["metrics"], "signature": report["signature"]}


def _joined(job: Job, store: JobStore, files: StateFiles) -> dict[str, str]:
    written = {PREDICTIONS: result_file(job.id, PREDICTIONS)}
    with files.open_write(written[PREDICTIONS]) as output:
        for chunk in store.done_chunks(job.id):
            append_lines(chunk.output, files, output)
    if job.num_bad:
        written[ERRORS] = result_file(job.id, ERRORS)
        with files.open_write(written[ERRORS]) as output:
            for chunk in store.done_chunks(job.id):
                append_lines(chunk.errors, files, output)
    return written


def _lines(files: StateFiles, name: str) -> Iterator[dict[str, Any]]:
    with files.open_read(name) as file:
        yield from map(json.loads, file)


def _report(
    job: Job, spec: JobSpec, suite: Suite, store: JobStore, files: StateFiles, further: Mapping[str, Any]
) -> dict[str, Any]:
    """What was measured, which is written with its pages."""
    options = checked_options(spec.service, spec.options)
    target = options.target if isinstance(options, TranslationJob) else None
    predictions = _lines(files, result_file(job.id, PREDICTIONS))
    measured = measure(spec.service, predictions, target_language=target).as_record()
    speed, source_hash = _speed(job, spec, store, files), _source_hash(job, store, files)
    data, _, split = spec.input.source.removeprefix("data:").partition("/")
    named = spec.input.source.startswith("data:")
    settings = _told(options)
    if spec.input.limit:
        settings["limit"] = spec.input.limit
    values = Report(
        task=spec.service,
        data=data if named else _file_name(spec, store),
        split=split if named else "",
        num_examples=job.num_answered,
        num_errors=job.num_bad,
        bundle=f"{suite.name} {suite.contents.manifest.version}",
        bundle_fingerprint=suite.contents.fingerprint,
        settings={"precision": suite.engine.precision, **settings, **_fitted(options, suite)},
        data_sha256=source_hash,
        seconds=speed.get("seconds"),
        measured=measured,
        further={"speed": speed, **further},
    ).values()
    with tempfile.TemporaryDirectory() as folder:
        write_report(Path(folder), values)
        for name in (REPORT, *PAGES):
            files.write(result_file(job.id, name), (Path(folder) / name).read_bytes())
    return values


def _file_name(spec: JobSpec, store: JobStore) -> str:
    """Of the input, as the user calls it, also where it was uploaded and has an id for a source."""
    sent = store.file(spec.input.source)
    source = spec.input if sent is None else spec.input.model_copy(update={"source": sent.filename})
    return Path(name_of(source)).name


def _told(options: JobOptions) -> dict[str, Any]:
    """The options but those that are off, as they are by default."""
    fields = type(options).model_fields
    given = options.model_dump(exclude=_NOT_SETTINGS)
    return {
        name: value
        for name, value in given.items()
        if value != fields[name].default or fields[name].default not in _NOTHING
    }


def _fitted(options: JobOptions, suite: Suite) -> dict[str, Any]:
    """What in the bundle's manifest, which its fingerprint does not tell, has a part in the answers."""
    chosen = isinstance(options, SummarizationJob) and options.method == "choose"
    chooser = suite.summarization.chooser if chosen and suite.summarization is not None else None
    weights = None if chooser is None else chooser.weights
    return {} if weights is None else {"standing": weights.digest[:12]}


def _speed(job: Job, spec: JobSpec, store: JobStore, files: StateFiles) -> dict[str, Any]:
    """How long chunks took; and in what time all were answered, if it is known of each when it was."""
    chunks = list(store.done_chunks(job.id))
    each = [chunk.seconds for chunk in chunks]
    percentiles = numpy.percentile(each, _PERCENTILES).tolist() if each else []
    speed: dict[str, Any] = {
        "chunk_texts": spec.chunk,
        "chunk_seconds": {f"p{p}": round(value, 3) for p, value in zip(_PERCENTILES, percentiles, strict=False)},
    }
    ends = [_written_at(chunk, files) for chunk in chunks]
    spans = [(end - chunk.seconds, end) for chunk, end in zip(chunks, ends, strict=True) if end is not None]
    if not spans or len(spans) < len(chunks):
        return speed
    seconds = max(_covered(spans), 1e-3)
    rate = (job.num_answered + job.num_bad) / seconds
    return {"seconds": round(seconds, 1), "texts_per_s": round(rate, 1), **speed}


def _written_at(chunk: DoneChunk, files: StateFiles) -> float | None:
    """When a chunk's answers were there, in seconds since 1970; None where no disk keeps that."""
    with files.open_read(chunk.output or chunk.errors) as file:
        try:
            return os.fstat(file.fileno()).st_mtime
        except OSError:  # io.UnsupportedOperation too
            return None


def _covered(spans: Iterable[tuple[float, float]]) -> float:
    """How much time the spans cover together. A job that was stopped for a while has none then."""
    total, covered_to = 0.0, -math.inf
    for begin, end in sorted(spans):
        total += max(0.0, end - max(begin, covered_to))
        covered_to = max(covered_to, end)
    return total


def _source_hash(job: Job, store: JobStore, files: StateFiles) -> str:
    """SHA-256 over the records as they were read, in their order."""
    digest = hashlib.sha256()
    for chunk in store.done_chunks(job.id):
        with files.open_read(chunk_file(job.id, "in", chunk.number)) as file:
            digest.update(zstandard.decompress(file.read()))
    return digest.hexdigest()
