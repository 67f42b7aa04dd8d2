"""A language model over the whole running text of a data set, read once, with one state that is carried on.

Published perplexities are computed so. The texts are cut into nothing, and so this is no batch job.
"""

import hashlib
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy
import torch

from ..datasets.catalog import data_set
from ..datasets.examples import Document, Split
from ..errors import InvalidInput
from ..local import LocalSuite
from ..text import source_ids
from .adaptation import Adaptation, told
from .baselines.kneser_ney import KneserNey
from .dynamic_evaluation import DynamicEvaluation, dynamic_token_nats
from .measuring import measure
from .neural_cache import NeuralCache, cached_token_nats
from .pages.writing import PAGES
from .perplexity import token_nats
from .report import PREDICTIONS, REPORT, Report, write_report

WRITTEN = (PREDICTIONS, REPORT, *PAGES)
"""Files that are left in the output folder."""

_KNESER_NEY_ORDER = 5


@dataclass(frozen=True, slots=True)
class RunningText:
    """The documents of a data set's split; of only the first `limit` of them, unless that is 0."""

    data: str
    split: Split
    documents: Sequence[Document]
    limit: int = 0

    @staticmethod
    def read(root: Path, data: str, split: Split, limit: int = 0) -> "RunningText":
        """The first `limit` documents, or all.

        Raises:
            InvalidInput: there are none.
            ValueError: there is no such data set.
        """
        examples = list(data_set(data).read(root, split))
        documents = [example for example in examples if isinstance(example, Document)]
        if not examples:
            raise InvalidInput(f"{data} has no {split} split", field="split")
        if not documents:
            raise InvalidInput(f"{data} is no data for generation", field="data")
        left_out = 0 < limit < len(documents)
        return RunningText(data, split, documents[:limit] if left_out else documents, limit if left_out else 0)

    def lines(self) -> Iterator[tuple[Document, str]]:
        """All lines, with the documents that they are of."""
        return ((document, line) for document in self.documents for line in document.lines)


def evaluate_running_text(
    suite: LocalSuite,
    text: RunningText,
    train: RunningText | None,
    output: Path,
    *,
    adaptation: Adaptation | None = None,
    with_baseline: bool = True,
) -> dict[str, Any]:
    """Measure the bundle's language model, and write `predictions.jsonl`, a line each, and the report to `output`.

    Args:
        train: an interpolated Kneser-Ney model of it goes beside; dynamic evaluation needs it in any case.
        adaptation: how the model takes to the text while it reads.

    Raises:
        InvalidInput: the bundle has no generation service, or there is no training text for dynamic evaluation.
    """
    output.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    lines = _scored(suite, text, train, adaptation)
    seconds = max(time.monotonic() - began, 1e-3)
    digest = hashlib.sha256()
    with (output / PREDICTIONS).open("w", encoding="utf-8") as file:
        for line in lines:
            digest.update(f"{line['text']}\n".encode())
            file.write(json.dumps(line, ensure_ascii=False) + "\n")
    measured = measure("perplexity", lines).as_record()
    baselines: dict[str, dict[str, Any]] = {}
    if train is not None and with_baseline:
        value = _kneser_ney_perplexity(train.documents, text.documents)
        name = f"interpolated-kneser-ney-{_KNESER_NEY_ORDER}"
        signature = f"order:{_KNESER_NEY_ORDER}|train:{len(train.documents)}"
        baselines[name] = {"word_perplexity": value, "signature": signature}
    speed = {
        "seconds": round(seconds, 1),
        "source_tokens_per_s": round(measured["metrics"]["num_tokens"] / seconds, 1),
    }
    report = Report(
        task="perplexity",
        data=text.data,
        split=text.split,
        num_examples=len(lines),
        num_errors=0,
        bundle=f"{suite.name} {suite.bundle.manifest.version}",
        bundle_fingerprint=suite.bundle.fingerprint,
        settings={
            "state": "carried",
            "precision": "float32",
            **({"limit": text.limit} if text.limit else {}),
            **told(adaptation),
        },
        data_sha256=digest.hexdigest(),
        seconds=speed["seconds"],
        measured=measured,
        further={"baselines": baselines, "speed": speed},
    ).values()
    write_report(output, report)
    return report


def _scored(
    suite: LocalSuite, text: RunningText, train: RunningText | None, adaptation: Adaptation | None
) -> list[dict[str, Any]]:
    """A line of output for each line of the text, as the service "perplexity" has them."""
    service = suite.generation
    if service is None:
        raise InvalidInput("the bundle has no generation service")
    torch.set_num_threads(1)  # of this thread; a second one waits more than it computes beside the engine's
    lines = [(document, line, source_ids(suite.tokenizer, line)) for document, line in text.lines()]
    ids = [identifier for _, _, own in lines for identifier in own]
    arguments = (suite.bundle.model, service.head, ids, suite.tokenizer.start_id)
    match adaptation:
        case None:
            nats = token_nats(*arguments)
        case NeuralCache():
            nats = cached_token_nats(*arguments, adaptation)
        case DynamicEvaluation():
            nats = dynamic_token_nats(*arguments, adaptation, _first_ids(suite, train, adaptation.num_trained_on))
    ends = list(accumulate(len(own) for _, _, own in lines))
    return [
        {
            "line": number,
            "text": line,
            "nats": float(nats[end - len(own) : end].sum()),
            "num_tokens": len(own),
            "num_words": len(line.split()) + 1,
            "language": document.language,
        }
        for number, ((document, line, own), end) in enumerate(zip(lines, ends, strict=True), 1)
    ]


def _first_ids(suite: LocalSuite, train: RunningText | None, most: int) -> list[int]:
    """At most so many ids of the beginning of the training text."""
    if train is None:
        raise InvalidInput("dynamic evaluation needs the train split, to know how large gradients usually are")
    ids: list[int] = []
    for _, line in train.lines():
        ids.extend(source_ids(suite.tokenizer, line))
        if len(ids) >= most:
            break
    return ids[:most]


def _kneser_ney_perplexity(train: Sequence[Document], test: Sequence[Document]) -> float:
    """Of a word of `test`, line ends counted, under an interpolated 5-gram model of `train`."""
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
    return KneserNey(train_words, len(numbers), _KNESER_NEY_ORDER).perplexity(test_words)
