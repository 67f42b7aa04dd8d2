"""Measures which words of a named data set's texts a bundle keeps, and writes the report.

Texts go to the service as they are, which cuts them into words by itself; a word of the data set counts as kept if more
than half of its characters are.
"""

import hashlib
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import Any

from ..datasets.catalog import data_set
from ..datasets.examples import Split, TaggedWords
from ..errors import InvalidInput
from ..local import LocalSuite
from ..summarization.compression import joined
from ..summarization.schema import SummaryResult
from .baselines.compression import Kept, LinearTagger, all_words, expected_kept, first_words, kept_share
from .measuring import measure
from .named_baselines import training_examples
from .pages.writing import PAGES
from .report import PREDICTIONS, REPORT, Report, write_report

TASK = "compression"
WRITTEN = (PREDICTIONS, REPORT, *PAGES)

Line = dict[str, Any]


@dataclass(frozen=True, slots=True)
class TaggedTexts:
    """Texts of a named data set with labels of their words, and where they are from."""

    data: str
    split: Split
    root: Path
    limit: int
    examples: tuple[TaggedWords, ...]

    @staticmethod
    def read(root: Path, data: str, split: Split, limit: int) -> "TaggedTexts":
        """A split, or the first `limit` texts of it.

        Raises:
            InvalidInput: it is empty, or its words have no labels.
            DataMissing: there is no such file.
        """
        examples = _of(root, data, split)
        return TaggedTexts(data, split, root, limit, tuple(examples[:limit] if limit else examples))


def _of(root: Path, data: str, split: Split) -> list[TaggedWords]:
    examples = list(data_set(data).read(root, split))
    tagged = [example for example in examples if isinstance(example, TaggedWords)]
    if not examples:
        raise InvalidInput(f"{data} has no {split} split", field="split")
    if len(tagged) < len(examples):
        raise InvalidInput(f"{data} is no data for {TASK}: its words have no labels", field="data")
    return tagged


def evaluate_compression(
    suite: LocalSuite, texts: TaggedTexts, output: Path, *, with_baselines: bool = True
) -> dict[str, Any]:
    """Measure the bundle, and write `predictions.jsonl`, a line a text, and the report to `output`.

    Raises:
        InvalidInput: the bundle has no service `compression`, or there is no training text for the baselines.
    """
    output.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    results = _shortened(suite, texts.examples)
    seconds = max(time.monotonic() - began, 1e-3)
    kept = [_kept_words(example, result) for example, result in zip(texts.examples, results, strict=True)]
    lines = list(_lines(texts.examples, kept, [result.summary for result in results]))
    digest = hashlib.sha256()
    with (output / PREDICTIONS).open("w", encoding="utf-8") as file:
        for line in lines:
            digest.update(f"{line['text']}\t{line['expected_kept']}\n".encode())
            file.write(json.dumps(line, ensure_ascii=False) + "\n")
    report = Report(
        task=TASK,
        data=texts.data,
        split=texts.split,
        num_examples=len(lines),
        num_errors=0,
        bundle=f"{suite.name} {suite.bundle.manifest.version}",
        bundle_fingerprint=suite.bundle.fingerprint,
        settings={"precision": suite.engine.precision, **({"limit": texts.limit} if texts.limit else {})},
        data_sha256=digest.hexdigest(),
        seconds=round(seconds, 1),
        measured=measure(TASK, lines).as_record(),
        further={
            "speed": {"seconds": round(seconds, 1), "texts_per_s": round(len(lines) / seconds, 1)},
            **({"baselines": _baselines(texts)} if with_baselines else {}),
        },
    ).values()
    write_report(output, report)
    return report


def _shortened(suite: LocalSuite, examples: Sequence[TaggedWords]) -> list[SummaryResult]:
    service = suite.compression
    if service is None:
        raise InvalidInput(f"the bundle has no service {TASK}")
    plans = [service.plan(example.text) for example in examples]
    answers = iter(suite.run_blocking([work for plan in plans for work in plan.works]))
    return [service.result(plan, list(islice(answers, len(plan.works)))) for plan in plans]


def _kept_words(example: TaggedWords, result: SummaryResult) -> list[bool]:
    characters = {place for part in result.kept or () for place in range(part.begin, part.end)}
    return [2 * sum(place in characters for place in range(begin, end)) > end - begin for begin, end in example.spans]


def _lines(examples: Sequence[TaggedWords], kept: Kept, summaries: Sequence[str]) -> Iterator[Line]:
    """Output lines, also of the baselines."""
    expected = expected_kept(examples)
    for number, (example, own, right, summary) in enumerate(zip(examples, kept, expected, summaries, strict=True), 1):
        yield {
            "line": number,
            "text": example.text,
            "expected": [_text_of(example, right)],
            "summary": summary,
            "kept": own,
            "expected_kept": right,
            "language": example.language,
        }


def _text_of(example: TaggedWords, kept: Sequence[bool]) -> str:
    return joined(example.text, [span for span, own in zip(example.spans, kept, strict=True) if own])


def _baselines(texts: TaggedTexts) -> dict[str, dict[str, Any]]:
    """Learned from the train split, with what is to be chosen on dev; measured on the same texts."""
    examples = texts.examples
    train = training_examples(texts.data, texts.root, TaggedWords)
    share = kept_share(train)
    found: dict[str, tuple[Kept, dict[str, Any]]] = {
        "all-words": (all_words(examples), {}),
        "first-words": (first_words(examples, share), {"share": round(share, 4), "train": len(train)}),
    }
    if texts.split != "train":
        dev = _of(texts.root, texts.data, "dev")
        linear = LinearTagger.learned(train, dev, examples)
        found["linear-tagger"] = (
            linear.kept,
            {
                "features": "words-3..3,pairs,form,place",
                "strength": linear.strength,
                "train": len(train),
                "tuned": f"dev-{len(dev)}",
                "scikit-learn": version("scikit-learn"),
            },
        )
    values = {}
    for name, (kept, settings) in found.items():
        summaries = [_text_of(example, own) for example, own in zip(examples, kept, strict=True)]
        metrics = measure(TASK, _lines(examples, kept, summaries), num_resamples=0).metrics
        scores = {key: value for key, value in metrics.items() if isinstance(value, float)}
        signature = "|".join(f"{key}:{value}" for key, value in settings.items())
        values[name] = {**scores, **({"signature": signature} if signature else {})}
    return values
