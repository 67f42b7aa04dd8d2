"""Jobs whose answers are known: each text backwards, unless it says that it is bad."""

import json
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, cast

from rondo_services.jobs.files import StateFiles
from rondo_services.jobs.finishing import ERRORS, PREDICTIONS, finish_job
from rondo_services.jobs.items import BadItem, Item
from rondo_services.jobs.spec import JobInput, JobSpec
from rondo_services.jobs.store import JobStore
from rondo_services.jobs.tasks.task import Ask, Fields
from rondo_services.jobs.types import Job
from rondo_services.suite import Suite

UNREADABLE = "no text at all"
UNANSWERABLE = "can't be said backwards"

AskTexts = Callable[[Sequence[str]], Awaitable[list[str]]]


async def backwards(texts: Sequence[str]) -> list[str]:
    """An engine's answers."""
    return [text[::-1] for text in texts]


class Backwards:
    """A task; texts that begin with "bad" can't be answered."""

    async def answer(self, items: Sequence[Item], ask: Ask) -> list[Fields | BadItem]:
        answers = await ask(cast(Any, [item.text for item in items]))
        return [
            BadItem(item.index, item.line, UNANSWERABLE) if item.text.startswith("bad") else {"answer": answer}
            for item, answer in zip(items, answers, strict=True)
        ]


class FakeMeans:
    """What a worker has: items of a list, and answers that are known."""

    def __init__(
        self,
        store: JobStore,
        files: StateFiles,
        items: Iterable[Item | BadItem],
        ask: AskTexts = backwards,
    ) -> None:
        self.store = store
        self.files = files
        self.items = items
        self.is_ready = True
        self._ask = ask

    def task_of(self, job: Job) -> Backwards:
        return Backwards()

    def items_of(self, job: Job) -> Iterable[Item | BadItem]:
        return self.items

    async def finish(self, job: Job) -> Mapping[str, Any]:
        return await finish_job(job, cast(Suite, None), self.store, self.files, self.ask)

    async def ask(self, works: Any) -> list[Any]:
        return list(await self._ask(works))


def records(num: int) -> list[Item | BadItem]:
    """Every seventh can't be read, every eleventh not be answered."""
    found: list[Item | BadItem] = []
    for index in range(num):
        text = f"bad {index}" if index % 11 == 3 else f"text {index}"
        item = Item(index, index + 1, text, id=f"id{index}")
        found.append(BadItem(index, index + 1, UNREADABLE) if index % 7 == 5 else item)
    return found


def expected_lines(items: Iterable[Item | BadItem]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The slow, obvious version: output and errors, one record after the other."""
    output, errors = [], []
    for item in items:
        if isinstance(item, BadItem):
            errors.append({"line": item.line, "reason": item.reason})
        elif item.text.startswith("bad"):
            errors.append({"line": item.line, "id": item.id, "reason": UNANSWERABLE})
        else:
            output.append({"line": item.line, "id": item.id, "text": item.text, "answer": item.text[::-1]})
    return output, errors


def add_job(store: JobStore, *, chunk: int = 4, bundle: str = "bundle", **more: Any) -> Job:
    """A job that nobody has begun."""
    spec = JobSpec(service="sentiment", input=JobInput(source="texts.txt"), chunk=chunk, **more)
    return store.add_job("job", "", spec.model_dump(), bundle)


def written_lines(store: JobStore, files: StateFiles, job: Job) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Output and errors of a job that is done."""
    found = store.job(job.id)
    assert found is not None
    assert found.state == "done", found
    assert found.result is not None
    names = found.result["files"]
    return lines_of(files, names[PREDICTIONS]), lines_of(files, names[ERRORS]) if ERRORS in names else []


def lines_of(files: StateFiles, name: str) -> list[dict[str, Any]]:
    """A file's JSON lines."""
    with files.open_read(name) as file:
        return [json.loads(line) for line in file]
