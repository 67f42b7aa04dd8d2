"""Texts are shortened to their own words, which the reply names."""

from dataclasses import replace
from typing import Any

import pytest

from rondo_models.bundle import Bundle
from rondo_models.manifest import BundleError, read_contents
from rondo_services.engine.requests import Tagged
from rondo_services.errors import InvalidInput
from rondo_services.local import suite_of
from rondo_services.server.settings import default_bundle
from rondo_services.summarization.compression import CompressionPlan, CompressionService, joined, kept_parts
from rondo_tokenizers.vocabulary import Tokenizer
from rondo_tokenizers.words import split_words

TEXT = "The boat, on the river, is late today. A slow train\nis a late train."


@pytest.fixture(scope="module")
def service() -> CompressionService:
    tokenizer = Tokenizer(read_contents(default_bundle()).tokenizer)
    return CompressionService(tokenizer, "compression", ("delete", "keep"), ("en",))


def _answers(plan: CompressionPlan, deleted: str) -> list[Tagged]:
    """Of an engine that deletes these words."""
    words = iter([plan.text[begin:end] for begin, end in plan.words])
    return [
        Tagged(tuple((0.9, 0.1) if next(words) in deleted.split() else (0.2, 0.8) for _ in work.sizes))
        for work in plan.works
    ]


@pytest.mark.parametrize(
    ("text", "deleted", "summary"),
    [
        ("The boat, on the river, is late.", "on the river ,", "The boat is late."),
        ("The old boat is late.", "old late", "The boat is."),
        ('He said "the boat", twice.', "said", 'He "the boat", twice.'),
        ("It costs $5 (or less).", "$", "It costs 5 (or less)."),
        ("It doesn't run.", "n't", "It does run."),
        ("It doesn't run.", "does", "It n't run."),
        ("Obama's boat", "boat", "Obama's"),
        ("The o\u00adld bo\u00adat is late.", "o\u00adld late", "The bo\u00adat is."),
        ("The\u00a0\u200bold e\u0301 boat.", "old", "The e\u0301 boat."),
        ("One boat.\nTwo boats!", "boat .", "One\nTwo boats!".replace("\n", " ")),
    ],
)
def test_kept_words_read_as_a_text(service: CompressionService, text: str, deleted: str, summary: str) -> None:
    plan = service.plan(text)
    result = service.result(plan, _answers(plan, deleted))
    assert result.summary == summary
    assert result.kept is not None
    kept = "".join(text[part.begin : part.end] for part in result.kept)
    assert "".join(kept.split()) == "".join(summary.split())
    assert [part.begin for part in result.kept] == sorted(part.begin for part in result.kept)


def test_each_sentence_is_shortened_for_itself(service: CompressionService) -> None:
    plan = service.plan(TEXT)
    assert len(plan.works) == 3
    assert sum(len(work.sizes) for work in plan.works) == len(plan.words) == len(split_words(TEXT))
    for work in plan.works:
        assert work.ids[-1] == service.tokenizer.end_id
        assert sum(work.sizes) == len(work.ids) - 1
    result = service.result(plan, _answers(plan, "late"))
    assert (result.sentences_read, result.sentences_total, result.language, result.warning) == (3, 3, "en", None)
    assert result.score < 0


def test_parts_go_over_white_space_alone() -> None:
    text = "a b  c, d"
    assert kept_parts(text, split_words(text)) == [(0, 9)]
    assert kept_parts(text, [(0, 1), (2, 3), (8, 9)]) == [(0, 3), (8, 9)]
    assert joined(text, []) == ""


def test_what_is_odd_is_told(service: CompressionService) -> None:
    plan = service.plan("The boat.")
    nothing = service.result(plan, _answers(plan, "The boat ."))
    assert (nothing.summary, nothing.kept, nothing.warning) == ("", [], "no word was found worth keeping")
    empty = service.plan("  \n ")
    assert empty.works == ()
    assert service.result(empty, []).warning == "the text is empty"
    german = service.plan("Das Boot ist heute wieder sehr langsam gewesen.")
    assert "not trained on 'de' text" in (service.result(german, _answers(german, "")).warning or "")
    with pytest.raises(InvalidInput, match="not valid Unicode"):
        service.plan("a \ud800 boat")


@pytest.mark.parametrize(
    ("head", "message"),
    [
        ({"kind": "classifier", "labels": ["delete", "keep"]}, "head compression is a classifier, not a tagger"),
        ({"kind": "tagger", "labels": ["B", "I"]}, "head compression has no label 'keep'"),
    ],
)
def test_a_head_that_keeps_nothing_is_refused(shortening_bundle: Bundle, head: dict[str, Any], message: str) -> None:
    contents = shortening_bundle.contents
    configs = {**contents.configs, "heads": {"compression": head}}
    broken = replace(shortening_bundle, contents=replace(contents, configs=configs))
    with pytest.raises(BundleError, match=message):
        suite_of(broken)
