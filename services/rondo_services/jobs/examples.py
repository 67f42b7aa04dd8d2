"""A few translations with what the decoder looked at, for a report."""

from collections.abc import Iterable, Mapping
from heapq import nsmallest
from itertools import islice
from typing import Any

from ..suite import Suite
from ..translation.schema import TranslationResult
from .items import Item
from .options import TranslationJob, checked_options
from .spec import JobSpec
from .tasks.services import TranslationTask
from .tasks.task import Ask

_MOST = 4
_MOST_LOOKED_AT = 200
_FEWEST_WORDS, _MOST_WORDS = 5, 15


async def alignments(
    spec: JobSpec, suite: Suite, predictions: Iterable[Mapping[str, Any]], ask: Ask
) -> list[dict[str, Any]]:
    """Source and target tokens with the attention between them, of the first translations that are good to look at:
    neither short nor long; if there are none, of those that are nearest to it."""
    options = checked_options(spec.service, spec.options)
    if not isinstance(options, TranslationJob) or suite.translation is None:
        return []
    nearest = nsmallest(_MOST, islice(predictions, _MOST_LOOKED_AT), key=_words_off)
    chosen = [line for line in nearest if not _words_off(line)] or nearest
    task = TranslationTask(suite.translation, options.model_copy(update={"explain": True}))
    items = [Item(0, line["line"], line["text"], language=line["source"]) for line in chosen]
    found = []
    for fields in await task.answer(items, ask):
        if isinstance(fields, Mapping):
            result = TranslationResult.model_validate(fields)
            found += [alignment.model_dump() for alignment in (result.alignment or [])[:1]]
    return found


def _words_off(line: Mapping[str, Any]) -> int:
    """By how many words a text is too short or too long."""
    num_words = len(line["text"].split())
    return max(_FEWEST_WORDS - num_words, num_words - _MOST_WORDS, 0)
