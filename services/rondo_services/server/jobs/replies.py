"""Puts the replies to a batch's requests together: those that were answered in one file, the others in another.

Whoever does it, and however often, writes the same bytes under the same ids.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import partial
from itertools import chain
from typing import Any, Literal

import zstandard

from ...errors import InvalidInput
from ...jobs.files import StateFiles
from ...jobs.store import JobStore
from ...jobs.types import Job, JobState, StoredFile
from .keeping import opened_upload, write_file
from .request_lines import LineLimits, read_requests

Outcome = Literal["output", "error"]
OUTCOMES: tuple[Outcome, ...] = ("output", "error")

_UNANSWERED: dict[JobState, dict[str, str]] = {
    "expired": {
        "code": "batch_expired",
        "message": "This request could not be executed before the completion window expired.",
    },
    "cancelled": {
        "code": "batch_cancelled",
        "message": "This request was not executed before the batch was cancelled.",
    },
}
"""What is told of requests to which a batch that ended so has no reply."""


def keep_replies(
    job: Job, store: JobStore, files: StateFiles, now: float, kept_s: float, limits: LineLimits
) -> Mapping[str, Any]:
    """Keep the lines of all chunks, in the order of the input, as files of the job's owner.

    Args:
        now: the second since 1970 in which they are made.
        kept_s: how long after that they are kept.
        limits: of the batch's input.

    Returns:
        Ids, as `output_file_id` and `error_file_id`; None where there is no line.
    """
    result, written = _written(job, store, files, now, kept_s, limits)
    for file in written:
        store.add_file(file)
    return result


def replies_so_far(
    job: Job, store: JobStore, files: StateFiles, ended_at: float, kept_s: float, limits: LineLimits
) -> Mapping[str, Any]:
    """Of a batch that ended before its time, as `keep_replies`; kept as its result when it is first asked for.

    Its requests without a reply follow in the file of those that were not answered.
    """
    result, written = _written(job, store, files, ended_at, kept_s, limits)
    return store.keep_result(job.id, result, written) or {}


def _written(
    job: Job, store: JobStore, files: StateFiles, created_at: float, kept_s: float, limits: LineLimits
) -> tuple[dict[str, Any], list[StoredFile]]:
    result: dict[str, Any] = {}
    written = []
    answered: set[str] = set()
    for outcome in OUTCOMES:
        told = _replies(job, outcome, store, files, answered)
        if outcome == "error" and job.state in _UNANSWERED:
            told = chain(told, _unanswered(job, store, files, answered, limits))
        first = next(told, None)
        identifier = None if first is None else _file_id(job, outcome)
        if first is not None and identifier is not None:
            file = write_file(
                files,
                (_line(job, one) for one in chain([first], told)),
                file_id=identifier,
                owner=job.owner,
                filename=f"{job.id}_{outcome}.jsonl",
                purpose="batch_output",
                created_at=created_at,
                expires_at=created_at + kept_s,
            )
            written.append(file)
        result[f"{outcome}_file_id"] = identifier
    return result, written


def _replies(
    job: Job, outcome: Outcome, store: JobStore, files: StateFiles, answered: set[str]
) -> Iterator[dict[str, Any]]:
    """What is told of each request; its id is added to those that are answered."""
    for chunk in store.done_chunks(job.id):
        name = chunk.output if outcome == "output" else chunk.errors
        if not name:
            continue
        with files.open_read(name) as packed:
            lines = zstandard.ZstdDecompressor().stream_reader(packed).readall().splitlines()
        for line in lines:
            values = json.loads(line)
            told = values if outcome == "output" else json.loads(values["reason"])
            answered.add(told["custom_id"])
            yield {"custom_id": told["custom_id"], "response": told["response"], "error": None}


def _unanswered(
    job: Job, store: JobStore, files: StateFiles, answered: set[str], limits: LineLimits
) -> Iterator[dict[str, Any]]:
    """What is told of the others; nothing if the input can't be read, or is not there any more."""
    opened = partial(opened_upload, store, files, job.spec["input"]["source"])
    with suppress(InvalidInput, FileNotFoundError):
        for item in read_requests(opened, job.metadata["endpoint"], limits):
            if item.id not in answered:
                yield {"custom_id": item.id, "response": None, "error": _UNANSWERED[job.state]}


def _line(job: Job, told: Mapping[str, Any]) -> bytes:
    own = {"id": f"batch_req_{_hashed(job, 'request', told['custom_id'])}", **told}
    return json.dumps(own, ensure_ascii=False).encode() + b"\n"


def _file_id(job: Job, outcome: Outcome) -> str:
    return f"file-{_hashed(job, 'file', outcome)}"


def _hashed(job: Job, kind: str, name: str) -> str:
    """Always the same, and as hard to guess as the job's id."""
    return hashlib.sha256(f"{job.id} {kind} {name}".encode()).hexdigest()[:32]
