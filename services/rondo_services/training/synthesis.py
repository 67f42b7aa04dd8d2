"""Training pairs made from text of one language: its translations by a bundle that is already there.

Used backward, the machine's text is read and people's text is written (back-translation: Sennrich et al. 2016,
arXiv:1511.06709); used forward, the head learns from its own best translations (self-training: He et al. 2020,
arXiv:1909.13788). Which of the two is the recipe's matter, and so is what is held out.
"""

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from ..datasets.catalog import data_set
from ..datasets.examples import Example
from ..errors import InvalidInput
from ..local import LocalSuite
from ..translation.schema import TranslationResult
from ..translation.service import TranslationOptions
from .preparation import as_text
from .user_data import COLUMNS, require_tsv, write_tsv

_TEXTS_AT_ONCE = 2000


@dataclass(frozen=True, slots=True)
class SynthesisOptions:
    """What to translate, and how.

    Attributes:
        data: a named data set, of whose training split the texts in `source` are taken, each once.
        rerank: weight of the way back in the choice of a translation; 0 does without.
        most: translate at most so many texts, drawn at random; 0 all.
        keep: share of the translations that is kept, those with the best score a token.

    Raises:
        ValueError: a value that cannot be.
    """

    data: str
    source: str
    target: str
    beam_size: int = 4
    rerank: float = 0.0
    most: int = 0
    keep: float = 1.0

    def __post_init__(self) -> None:
        if not 0 < self.keep <= 1:
            raise ValueError(f"keep must be in (0, 1], not {self.keep}")


def texts_in(examples: Iterable[Example], language: str) -> list[str]:
    """The distinct lines in `language`, in first-seen order."""
    documents = (document for document in as_text(examples) if document.language == language)
    return list(dict.fromkeys(line.strip() for document in documents for line in document.lines if line.strip()))


def _translations(suite: LocalSuite, texts: Sequence[str], how: TranslationOptions) -> list[TranslationResult]:
    service = suite.translation
    if service is None:
        raise InvalidInput("the bundle has no translation service")
    plans = [service.plan(text, how) for text in texts]
    answers = iter(suite.run_blocking([work for plan in plans for work in plan.works]))
    return [service.result(plan, [next(answers) for _ in plan.works]) for plan in plans]


def synthesize(suite: LocalSuite, root: Path, options: SynthesisOptions, output: Path) -> int:
    """Write a .tsv file with the columns source, target and score, best first, and return its number of rows.

    A translation that ran to its longest length is left out, and so is one that says nothing or repeats its source.

    Raises:
        InvalidInput: the set has no text in the language, or the bundle does not translate it so.
        ValueError: an unknown data set.
        ConfigError: the output does not end in .tsv.
    """
    require_tsv(output)
    torch.set_num_threads(1)  # of this thread; the engine has its own
    texts = texts_in(data_set(options.data).read(root, "train"), options.source)
    if not texts:
        raise InvalidInput(f"{options.data} has no text in {options.source!r}", field="data")
    if options.most and len(texts) > options.most:
        texts = random.Random(1).sample(texts, options.most)
    how = TranslationOptions(options.source, options.target, options.beam_size, rerank=options.rerank, format="plain")
    rows: list[tuple[str, str, float]] = []
    for start in range(0, len(texts), _TEXTS_AT_ONCE):
        part = texts[start : start + _TEXTS_AT_ONCE]
        rows.extend(
            (text, result.translation.strip(), result.score)
            for text, result in zip(part, _translations(suite, part, how), strict=True)
            if result.warning is None and result.translation.strip() not in ("", text)
        )
    rows = sorted(rows, key=lambda row: -row[2])[: round(options.keep * len(rows))]
    scored = ((source, target, f"{score:.3f}") for source, target, score in rows)
    write_tsv(output, (*COLUMNS["seq2seq"], "score"), scored)
    return len(rows)
