import math

import pytest

from rondo_services.evaluation.pages.measures import PLAIN, main_of, measure


@pytest.mark.parametrize(
    ("key", "value", "written"),
    [
        ("accuracy", 86.02, "86.02"),
        ("bleu", 39.96, "40.0"),
        ("word_perplexity", 12196.83, "12,196.8"),
        ("num_words", 245569, "245,569"),
        ("bleu", None, "–"),
        ("bleu", math.nan, "–"),
        ("word_perplexity", math.inf, "∞"),
        ("anything", -math.inf, "−∞"),
    ],
)
def test_each_measure_has_its_own_decimals(key: str, value: float | None, written: str) -> None:
    assert measure(key).written(value) == written


@pytest.mark.parametrize(
    ("value", "written"),
    [(0, "0"), (4.3, "4.3"), (69.77, "69.8"), (1111.4, "1,111"), (0.005247, "0.00525"), (100.0, "100"), (-2.5, "−2.5"),
     (3e-7, "3.0e−07")],
)  # fmt: skip
def test_other_numbers_have_three_digits(value: float, written: str) -> None:
    assert PLAIN.written(value) == written


def test_unknown_measures_are_called_what_they_are() -> None:
    assert measure("bits_per_byte").name == "bits per byte"
    assert measure("num_sheep").kind == "count"
    assert measure("num_sheep").name == "sheep"


@pytest.mark.parametrize(
    ("task", "keys", "main"),
    [
        ("translation", ["chrf", "bleu"], "bleu"),
        ("translation", ["chrf"], "chrf"),
        ("summarization", ["rouge1", "rougeL"], "rougeL"),
        ("sentiment", ["macro_f1", "accuracy"], "accuracy"),
        ("perplexity", ["nats", "token_perplexity"], "token_perplexity"),
        ("juggling", ["num_balls", "drops"], "drops"),
        ("juggling", ["num_balls"], None),
        ("sentiment", [], None),
    ],
)
def test_a_task_is_judged_by_its_own_measure_if_it_is_there(task: str, keys: list[str], main: str | None) -> None:
    assert main_of(task, keys) == main


def test_names_in_sentences_keep_their_capitals_where_they_are_no_words() -> None:
    names = [measure(key).in_sentence for key in ("repetition", "bleu", "chrf", "rougeL", "macro_f1", "p(label)")]
    assert names == ["repetition", "BLEU", "chrF", "ROUGE-L", "Macro-F1", "probability of the expected label"]
