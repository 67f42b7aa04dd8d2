"""The capacity benchmark: what it sends, and the table that the guide takes from it."""

from collections import Counter

import pytest
from benchmarks.capacity import MARKDOWN_TITLES, MEMORY_TITLES, Capacity, kinds, markdown
from benchmarks.places import DEFAULT_BUNDLE, ROOT
from benchmarks.sized_texts import sentences, sized_texts
from benchmarks.workloads import SERVICES

from rondo_tokenizers.vocabulary import Tokenizer

GUIDE = (ROOT / "docs" / "deployment.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer.load(DEFAULT_BUNDLE / "tokenizer.model")


def test_texts_have_the_wanted_length(tokenizer: Tokenizer) -> None:
    texts = sized_texts(sentences("en"), 128, tokenizer, count=30, seed=1)
    assert len(set(texts)) == 30
    assert all(abs(len(tokenizer.encode(text)) - 128) <= 9 for text in texts)
    assert texts == sized_texts(sentences("en"), 128, tokenizer, count=30, seed=1)


def test_sentences_that_are_too_long_are_an_error(tokenizer: Tokenizer) -> None:
    with pytest.raises(ValueError, match="do not add up to 2 tokens"):
        sized_texts(["This sentence is much longer than that."], 2, tokenizer, count=1, seed=1)


def test_a_language_without_sentences_is_an_error() -> None:
    with pytest.raises(ValueError, match="no sentence in 'fr'"):
        sentences("fr")


def test_every_service_is_asked_as_its_kind_says(tokenizer: Tokenizer) -> None:
    every = kinds(tokenizer, SERVICES)
    assert Counter(kind.work.service for kind in every) == {
        "sentiment": 4,
        "translation": 12,
        "summarization": 2,
        "generation": 3,
    }
    asked = {(kind.name, kind.tokens): kind.work.fields("x") for kind in every}
    assert asked["translation ko→en, beam 4", 16] == {"text": "x", "source": "ko", "target": "en", "beam_size": 4}
    assert asked["summarization, beam 4", 64] == {"text": "x", "beam_size": 4}
    written = asked["generation, written", 256]
    assert (written["max_tokens"], written["logit_bias"]) == (256, {str(tokenizer.end_id): -100})
    with pytest.raises(ValueError, match="unknown service 'singing'"):
        kinds(tokenizer, ["singing"])


def test_a_core_does_what_both_processes_take_together() -> None:
    assert Capacity(100, 1, 0.5, 1.5, 50, 1, 2, 0.1, 8, 0).requests_per_core_s == 500


def test_the_guide_has_the_table_as_it_is_printed(tokenizer: Tokenizer) -> None:
    row = {"requests_per_s": 1234.5, "p50_ms": 9.6, "p99_ms": 40.0, "server_cpu_ms": 0.4, "engine_cpu_ms": 0.25}
    rows = [
        {"kind": kind.name, "tokens": kind.tokens, **row, "requests_per_core_s": 1538.5}
        for kind in kinds(tokenizer, SERVICES)
    ]
    machine = {"cpu": "x", "cores": 2, "torch": "y", "load_average_before": 0.0, "load_average_after": 1.0}
    memory = [{"bundles": 1, "resident_mb": 1604.0, "proportional_mb": 511.0}]
    bundle = {"name": "z", "version": "1", "fingerprint": "0123456789abcdef"}
    result = {"machine": machine, "bundle": bundle, "rounds": 3, "seconds": 6.0, "rows": rows, "memory": memory}
    printed = markdown(result).splitlines()
    assert (
        printed[0]
        == "x, 2 cores, torch y, bundle z 1 0123456789ab, 3 × 6 s a cell, load average 0.0 before and 1.0 after:"
    )
    assert printed[4] == "| sentiment | 8 | 1,234 | 10, 40 | 0.40 + 0.25 | 1,538 |"
    assert printed[-3:] == [f"| {' | '.join(MEMORY_TITLES)} |", "| --- | --- | --- |", "| 1 | 1,604 | 511 |"]
    cells = [line.split("|")[1:3] for line in printed[2 : 4 + len(rows)]]
    assert cells == [line.split("|")[1:3] for line in _guide_from(MARKDOWN_TITLES)[: len(cells)]]
    assert [line.split("|")[1] for line in _guide_from(MEMORY_TITLES)[2:5]] == [" 1 ", " 2 ", " 3 "]


def _guide_from(titles: tuple[str, ...]) -> list[str]:
    """Its lines from a table on."""
    return GUIDE[GUIDE.index(f"| {' | '.join(titles)} |") :].splitlines()
