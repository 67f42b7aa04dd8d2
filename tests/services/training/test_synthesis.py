"""Synthetic pairs, made with a stand-in for the suite that turns a sentence round."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytest

from rondo_models.config import ConfigError
from rondo_models.heads.seq2seq import Seq2SeqConfig
from rondo_services.datasets.examples import SPLITS, Document, Example, Labelled, Pair
from rondo_services.errors import InvalidInput
from rondo_services.local import LocalSuite
from rondo_services.training.recipe import DataEntry
from rondo_services.training.synthesis import SynthesisOptions, synthesize, texts_in
from rondo_services.training.user_data import read_user_file
from rondo_services.translation.schema import TranslationResult
from rondo_services.translation.service import TranslationOptions

ROWS = [
    ("A boat.", "Ein Boot."),
    ('A "red" kite.', "Ein roter Drachen."),
    ("Aha", "Aha"),
    ("A boat.", "Ein Schiff."),
    ("too long", "zu lang"),
]


@dataclass(frozen=True)
class Plan:
    text: str
    works: tuple[str, ...]


class Mirror:
    """Turns texts round; the longer, the better it says they are."""

    def plan(self, text: str, options: TranslationOptions) -> Plan:
        assert (options.source, options.target, options.rerank) == ("en", "ko", 0.5)
        return Plan(text, (text,))

    def result(self, plan: Plan, answers: Sequence[str]) -> TranslationResult:
        (answer,) = answers
        warning = "it was stopped" if plan.text == "too long" else None
        return TranslationResult(
            translation=answer, source="en", target="ko", score=float(len(answer)), alternatives=None, warning=warning
        )


class Suite:
    """Answers at once."""

    def __init__(self, translation: Mirror | None) -> None:
        self.translation = translation

    def run_blocking(self, works: Sequence[str]) -> list[Any]:
        return [work[::-1].capitalize() for work in works]


@pytest.fixture
def root(write_xz: Callable[[str, str], Path], tmp_path: Path) -> Path:
    write_xz("tatoeba/eng-deu.train.tsv.xz", "".join("\t".join(row) + "\n" for row in ROWS))
    return tmp_path


def made(root: Path, suite: Suite, **settings: Any) -> list[Example]:
    """The pairs as training reads them."""
    output = root / "made" / "pairs.tsv"
    options = SynthesisOptions("tatoeba-en-de", "en", "ko", rerank=0.5, **settings)
    count = synthesize(cast("LocalSuite", suite), root, options, output)
    entry = DataEntry(str(output), "translation", language="en", target_language="ko", train_only=True)
    pairs = {split: list(read_user_file(output, entry, Seq2SeqConfig(), split)) for split in SPLITS}
    assert [len(pairs[split]) for split in SPLITS] == [count, 0, 0]
    return pairs["train"]


def test_each_text_is_translated_once_and_the_best_come_first(root: Path) -> None:
    assert made(root, Suite(Mirror())) == [
        Pair('A "red" kite.', '.etik "der" a', "en", "ko"),
        Pair("A boat.", ".taob a", "en", "ko"),
    ]


def test_a_share_of_the_best_is_kept(root: Path) -> None:
    assert [pair.source for pair in made(root, Suite(Mirror()), keep=0.5) if isinstance(pair, Pair)] == [
        'A "red" kite.'
    ]
    with pytest.raises(ValueError, match=r"keep must be in \(0, 1\], not 0"):
        SynthesisOptions("tatoeba-en-de", "en", "ko", keep=0)


def test_at_most_so_many_are_drawn_and_always_the_same(root: Path) -> None:
    drawn = made(root, Suite(Mirror()), most=2)
    assert len(drawn) <= 2
    assert drawn == made(root, Suite(Mirror()), most=2)


def test_what_cannot_be_translated_is_said(root: Path, tmp_path: Path) -> None:
    options = SynthesisOptions("tatoeba-en-de", "ko", "en")
    with pytest.raises(InvalidInput, match="tatoeba-en-de has no text in 'ko'"):
        synthesize(cast("LocalSuite", Suite(Mirror())), root, options, tmp_path / "pairs.tsv")
    with pytest.raises(InvalidInput, match="no translation service"):
        made(root, Suite(None))
    with pytest.raises(ConfigError, match=r"pairs\.csv: the file to write must end in \.tsv"):
        synthesize(cast("LocalSuite", Suite(None)), root, options, tmp_path / "pairs.csv")


def test_texts_are_distinct_lines_of_the_language() -> None:
    examples: list[Example] = [
        Labelled("배", "good", "ko"),
        Pair("A boat.", "배", "en", "ko"),
        Document((" 연 ", "", "배"), "ko"),
    ]
    assert texts_in(examples, "ko") == ["배", "연"]
