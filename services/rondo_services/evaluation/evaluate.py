"""Runs a service over a data set's split and measures it; one function a task."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy
import torch

from ..datasets.catalog import data_set
from ..datasets.examples import Document, Example, Labelled, Pair, Split
from ..datasets.text import num_words_with_eos
from ..datasets.translation import reversed_pair, with_all_references
from ..errors import InvalidInput
from ..local import LocalSuite
from ..summarization.service import SummaryOptions
from ..text import source_ids
from ..translation.service import TranslationOptions
from . import metrics
from .baselines.kneser_ney import KneserNey
from .baselines.summaries import lead_words, lexrank, mean_words, nearest_neighbour
from .perplexity import negative_log_likelihood, perplexity
from .report import Report, data_hash, write_report

E = TypeVar("E", bound=Example)


@dataclass(frozen=True, slots=True)
class EvaluationOptions:
    """What to measure on.

    Attributes:
        direction: of translation pairs: "forward" as in the data set's name, or "backward".
        rerank: weight of the model that translates back; 0 does without.
        limit: only the first so many examples; 0 all.
    """

    task: str
    data: str
    split: Split
    direction: str = "forward"
    beam_size: int = 4
    length_penalty: float = 1.0
    rerank: float = 0.0
    limit: int = 0
    baselines: bool = True


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a task's evaluation found."""

    examples: Sequence[Example]
    metrics: Mapping[str, Any]
    baselines: Mapping[str, Mapping[str, Any]]
    settings: Mapping[str, Any]
    predictions: Sequence[Mapping[str, Any]]


def _limited(examples: Sequence[E], limit: int) -> Sequence[E]:
    return examples[:limit] if limit else examples


def _needed(service: Any, task: str) -> Any:
    if service is None:
        raise InvalidInput(f"the bundle has no {task} service")
    return service


def _sentiment(suite: LocalSuite, root: Path, options: EvaluationOptions) -> Outcome:
    service = _needed(suite.sentiment, "sentiment")
    examples = _of_kind(options, root, Labelled)
    answers = suite.run_blocking([service.work(example.text) for example in examples])
    results = [service.result(e.text, e.language, answer) for e, answer in zip(examples, answers, strict=True)]
    predicted, expected = [result.label for result in results], [example.label for example in examples]
    predictions = [
        {"text": e.text, "expected": e.label, "predicted": r.label, "score": r.score}
        for e, r in zip(examples, results, strict=True)
    ]
    return Outcome(examples, metrics.classification(predicted, expected), {}, {}, predictions)


def _translation(suite: LocalSuite, root: Path, options: EvaluationOptions) -> Outcome:
    service = _needed(suite.translation, "translation")
    pairs = _all_of_kind(options, root, Pair)
    if options.direction == "backward":
        pairs = [reversed_pair(pair) for pair in pairs]
    examples = _limited(with_all_references(iter(pairs)), options.limit)
    first = examples[0]
    how = TranslationOptions(
        first.source_language,
        first.target_language,
        options.beam_size,
        length_penalty=options.length_penalty,
        rerank=options.rerank,
        format="plain",
    )
    plans = [service.plan(pair.source, how) for pair in examples]
    answers = iter(suite.run_blocking([work for plan in plans for work in plan.works]))
    results = [service.result(plan, [next(answers) for _ in plan.works]) for plan in plans]
    hypotheses = [result.translation for result in results]
    measured = metrics.translation(hypotheses, [pair.references for pair in examples], how.target)
    predictions = [
        {"source": e.source, "references": e.references, "translation": r.translation, "score": r.score}
        for e, r in zip(examples, results, strict=True)
    ]
    settings = {"pair": f"{how.source}-{how.target}", "beam": how.beam_size, "length_penalty": how.length_penalty}
    if how.rerank:
        settings["rerank"] = how.rerank
    return Outcome(examples, measured, {}, settings, predictions)


def _summarization(suite: LocalSuite, root: Path, options: EvaluationOptions) -> Outcome:
    service = _needed(suite.summarization, "summarization")
    examples = _of_kind(options, root, Pair)
    how = SummaryOptions(beam_size=options.beam_size, length_penalty=options.length_penalty)
    plans = [service.plan(pair.source, how) for pair in examples]
    answers = iter(suite.run_blocking([plan.work for plan in plans if plan.work is not None]))
    results = [service.result(plan, next(answers) if plan.work else ()) for plan in plans]
    expected = [pair.target for pair in examples]
    measured = metrics.summarization([result.summary for result in results], expected)
    baselines = {}
    if options.baselines:
        train = [p for p in data_set(options.data).read(root, "train") if isinstance(p, Pair)]
        texts, num_words = [pair.source for pair in examples], mean_words(train)
        for name, summaries in {
            f"lead-{num_words}-words": lead_words(texts, num_words),
            f"lexrank-sentence-{num_words}-words": lexrank(texts, num_words),
            "nearest-neighbour": nearest_neighbour(texts, train),
        }.items():
            baselines[name] = metrics.summarization(summaries, expected)
    predictions = [
        {"source": e.source, "expected": e.target, "summary": r.summary, "score": r.score}
        for e, r in zip(examples, results, strict=True)
    ]
    return Outcome(examples, measured, baselines, asdict(how), predictions)


def _generation(suite: LocalSuite, root: Path, options: EvaluationOptions) -> Outcome:
    service = _needed(suite.generation, "generation")
    examples = _of_kind(options, root, Document)
    ids = [i for document in examples for line in document.lines for i in source_ids(suite.tokenizer, line)]
    num_words = sum(num_words_with_eos(document) for document in examples)
    nats = negative_log_likelihood(suite.bundle.model, service.head, ids, suite.tokenizer.start_id)
    measured = {
        "word_perplexity": perplexity(nats, num_words),
        "token_perplexity": perplexity(nats, len(ids)),
        "nats": nats,
        "num_words": num_words,
        "num_tokens": len(ids),
    }
    baselines = {}
    if options.baselines:
        train = [d for d in data_set(options.data).read(root, "train") if isinstance(d, Document)]
        value = _kneser_ney_perplexity(train, examples)
        baselines["interpolated-kneser-ney-5"] = {"word_perplexity": value}
    return Outcome(examples, measured, baselines, {"state": "carried", "precision": "float32"}, [])


def _kneser_ney_perplexity(train: Sequence[Document], test: Sequence[Document]) -> float:
    numbers: dict[str, int] = {}

    def words(documents: Sequence[Document]) -> numpy.ndarray:
        return numpy.array(
            [
                numbers.setdefault(word, len(numbers))
                for document in documents
                for line in document.lines
                for word in [*line.split(), "</s>"]
            ],
            dtype=numpy.int64,
        )

    train_words, test_words = words(train), words(test)
    return KneserNey(train_words, len(numbers), 5).perplexity(test_words)


def _all_of_kind(options: EvaluationOptions, root: Path, kind: type[E]) -> Sequence[E]:
    read = list(data_set(options.data).read(root, options.split))
    examples = [example for example in read if isinstance(example, kind)]
    if not read:
        raise InvalidInput(f"{options.data} has no {options.split} split", field="split")
    if not examples:
        raise InvalidInput(f"{options.data} is no data for {options.task}", field="data")
    return examples


def _of_kind(options: EvaluationOptions, root: Path, kind: type[E]) -> Sequence[E]:
    return _limited(_all_of_kind(options, root, kind), options.limit)


TASKS: dict[str, Callable[[LocalSuite, Path, EvaluationOptions], Outcome]] = {
    "sentiment": _sentiment,
    "translation": _translation,
    "summarization": _summarization,
    "generation": _generation,
}


def evaluate(suite: LocalSuite, root: Path, options: EvaluationOptions, output: Path) -> Report:
    """Measure a service and write `predictions.jsonl` and `report.json` to `output`.

    Raises:
        InvalidInput: an unknown task, data of another kind, or a service that the bundle lacks.
        ValueError: an unknown data set.
    """
    if options.task not in TASKS:
        raise InvalidInput(f"unknown task {options.task!r}; choose among {', '.join(TASKS)}", field="task")
    torch.set_num_threads(1)  # of this thread; a second one waits more than it computes beside the engine's
    began = time.monotonic()
    outcome = TASKS[options.task](suite, root, options)
    report = Report(
        task=options.task,
        data=options.data,
        split=options.split,
        num_examples=len(outcome.examples),
        metrics=outcome.metrics,
        baselines=outcome.baselines,
        bundle=f"{suite.name} {suite.bundle.manifest.version}",
        bundle_fingerprint=suite.bundle.fingerprint,
        settings={"precision": suite.local_engine.precision, **outcome.settings},
        data_sha256=data_hash(outcome.examples),
        seconds=round(time.monotonic() - began, 1),
    )
    write_report(output, report, outcome.predictions)
    return report
