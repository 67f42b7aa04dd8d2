import random
from typing import Any
from unicodedata import normalize

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF
from sacrebleu.metrics.ter import TER

from rondo_services.evaluation.measuring import measure
from rondo_services.evaluation.tasks import translation as module
from rondo_services.evaluation.tasks.translation import TranslationTask

WORDS = [
    "the",
    "a",
    "boat",
    "boats",
    "is",
    "small,",
    "very",
    "3.5",
    "home.",
    "go",
    "&amp;",
    "größer",
    "한강",
    "집에",
    "¿",
]
sentences = st.lists(st.sampled_from(WORDS), max_size=9).map(" ".join)


def line(translation: str, references: list[str]) -> dict[str, Any]:
    return {"text": "t", "translation": translation, "expected": references, "source": "de"}


def measured(translations: list[str], references: list[list[str]], target: str = "en") -> dict[str, Any]:
    lines = map(line, translations, references)
    return measure("translation", lines, target_language=target, num_resamples=0).metrics


@settings(max_examples=40)
@given(
    st.lists(st.tuples(sentences, st.lists(sentences, min_size=1, max_size=3)), min_size=1, max_size=6),
    st.sampled_from(["en", "ko"]),
)
def test_scores_and_signatures_are_sacrebleus(pairs: list[tuple[str, list[str]]], target: str) -> None:
    """Of a corpus with unlike numbers of references."""
    translations, references = [own for own, _ in pairs], [own for _, own in pairs]
    most = max(len(own) for own in references)
    streams: Any = [[own[i] if i < len(own) else None for own in references] for i in range(most)]
    korean = target == "ko"
    bleu, chrf = BLEU(tokenize="char" if korean else "13a"), CHRF()
    ter = TER(normalized=True, asian_support=True) if korean else TER()
    metrics = measured(translations, references, target)
    for name, metric in (("bleu", bleu), ("chrf", chrf), ("ter", ter)):
        assert metrics[name] == pytest.approx(metric.corpus_score(translations, streams).score, abs=1e-9)
        assert metrics["signatures"][name] == str(metric.get_signature())


def test_intervals_are_about_sacrebleus() -> None:
    generator = random.Random(2)
    references = [" ".join(generator.choices(WORDS, k=generator.randint(3, 9))) for _ in range(200)]
    translations = [
        " ".join(word if generator.random() < 0.8 else "boat" for word in reference.split()) for reference in references
    ]
    found = measure(
        "translation", map(line, translations, [[own] for own in references]), target_language="en", num_resamples=1000
    )
    for name, metric in (("bleu", BLEU()), ("chrf", CHRF()), ("ter", TER())):
        score = metric.corpus_score(translations, [references], n_bootstrap=1000)
        low, high = found.intervals[name]
        # the same resamples; sacreBLEU rounds statistics to float32, and takes the values next to the percentiles
        assert (high - low) / 2 == pytest.approx(score._ci, rel=0.02)
        assert low < score._mean < high


def test_bleu_by_hand() -> None:
    # 1- to 4-gram precisions 5/6, 3/5, 2/4, 1/3; as long as the reference
    metrics = measured(["the grey bird sat down here"], [["the grey bird sat up here"]])
    assert metrics["bleu"] == pytest.approx(100 * (5 / 6 * 3 / 5 * 2 / 4 * 1 / 3) ** 0.25)
    assert "case:mixed" in metrics["signatures"]["bleu"]
    assert "tok:13a" in metrics["signatures"]["bleu"]
    assert metrics["ter"] == pytest.approx(100 / 6)


def test_case_counts_but_for_ter() -> None:
    metrics = measured(["EIN BOOT AM SEE IM TAL"], [["ein boot am see im tal"]], "de")
    assert metrics["bleu"] < 20
    assert metrics["ter"] == 0


def test_unequal_numbers_of_references_are_those_of_each_sentence() -> None:
    """A missing reference must not match anything, least of all another sentence's."""
    references = [["alpha beta gamma delta"], ["one two three four", "five six seven eight"]]
    swapped = measured(["five six seven eight", "alpha beta gamma delta"], references)
    assert swapped["bleu"] < 10
    assert swapped["chrf"] < 30


def test_how_characters_are_composed_does_not_count() -> None:
    """A reference in decomposed characters had next to nothing in common with the same translation."""
    metrics = measured(["화장실이 어디예요?"], [[normalize("NFD", "화장실이 어디예요?")]], "ko")
    assert (metrics["bleu"], metrics["chrf"], metrics["ter"]) == pytest.approx((100, 100, 0))


def test_korean_bleu_is_of_characters() -> None:
    metrics = measured(["나는 집에 간다"], [["나는 집에 갔다"]], "ko")
    assert "tok:char" in metrics["signatures"]["bleu"]
    assert "asian:yes" in metrics["signatures"]["ter"]
    assert metrics["bleu"] > 30  # on words, one shared bigram of three words


def test_lines_without_a_reference_count_for_diversity_only() -> None:
    references = [["we go home right now"], []]
    with_other = measured(["we go home right now", "so so so so so"], references)
    alone = measured(["we go home right now"], references[:1])
    for name in ("bleu", "chrf", "ter", "signatures"):
        assert with_other[name] == alone[name]
    assert with_other["num_without_expected"] == 1
    assert with_other["distinct1"] == pytest.approx(100 * 6 / 10)
    assert with_other["repetition"] == pytest.approx(100 * (0 + 0.5) / 2)


def test_without_any_reference_there_are_no_scores() -> None:
    found = measure("translation", [line("we go home", [])] * 10, target_language="en", num_resamples=10)
    assert (found.metrics["bleu"], found.metrics["chrf"], found.metrics["ter"]) == (None, None, None)
    assert "signatures" not in found.metrics
    assert set(found.intervals) == {"repetition"}
    assert found.worst == []


def test_the_measure_of_a_text_is_its_chrf() -> None:
    task = TranslationTask("en")
    for own, references in (("a small boat", ["a big boat", "small boats"]), ("", ["boat"]), ("boat", [""])):
        assert task.segment(line(own, references)).measure == pytest.approx(
            CHRF().sentence_score(own, references).score
        )


def test_sacrebleu_does_not_keep_the_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its tokenizers' caches grew by some 80 MB on large jobs."""
    from sacrebleu.tokenizers.tokenizer_13a import Tokenizer13a
    from sacrebleu.tokenizers.tokenizer_re import TokenizerRegexp
    from sacrebleu.tokenizers.tokenizer_ter import TercomTokenizer

    monkeypatch.setattr(module, "_FORGET_AFTER", 10)
    measured([f"text {i}" for i in range(100)], [[f"reference {i}"] for i in range(100)])
    for tokenizer in (Tokenizer13a, TokenizerRegexp, TercomTokenizer):
        assert tokenizer.__call__.cache_info().currsize <= 2 * 10
