import json
import random
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF
from sacrebleu.metrics.ter import TER
from sacrebleu.significance import PairedTest
from scipy.stats import binomtest

from rondo_services.errors import InvalidInput
from rondo_services.evaluation.comparison import Comparison, Difference, compare
from rondo_services.evaluation.measuring import measure

Write = Callable[..., Path]
WORDS = ["the", "a", "boat", "sea", "home", "is", "very", "small", "long", "and", "goes", "to"]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a result folder of that name."""

    def write(name: str, lines: Iterable[Mapping[str, Any]], task: str = "sentiment") -> Path:
        folder = tmp_path / name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "predictions.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
        (folder / "report.json").write_text(json.dumps({"task": task}), encoding="utf-8")
        return folder

    return write


def labels(expected: str, predicted: str) -> list[dict[str, Any]]:
    return [
        {"line": i, "text": f"text {i}", "expected": [right], "label": label, "score": 0.75}
        for i, (right, label) in enumerate(zip(expected, predicted, strict=True), 1)
    ]


def of(comparison: Comparison, metric: str, system: int = 0) -> Difference:
    (found,) = (own for own in comparison.systems[system].differences if own.metric == metric)
    return found


def translations(num: int, share: float, seed: int) -> list[dict[str, Any]]:
    """Of the same texts for all seeds, with so many words in a hundred replaced."""
    texts, replaced = random.Random(0), random.Random(seed)
    lines = []
    for number in range(num):
        references = [" ".join(texts.choices(WORDS, k=texts.randint(4, 12))) for _ in range(1 + number % 2)]
        words = [word if replaced.random() > share else "wrong" for word in references[0].split()]
        lines.append(
            {
                "line": number,
                "text": "t",
                "expected": references,
                "translation": " ".join(words),
                "source": "de",
                "target": "en",
            }
        )
    return lines


def test_translations_are_tested_as_sacrebleu_does(write: Write) -> None:
    baseline, system = translations(150, 0.2, 1), translations(150, 0.24, 2)
    found = compare(
        write("a", baseline, "translation"), write("b", system, "translation"), num_resamples=200, seed=12345
    )
    names = {"bleu": "BLEU", "chrf": "chrF2", "ter": "TER"}
    references = [line["expected"] for line in baseline]
    streams: Any = [[own[i] if i < len(own) else None for own in references] for i in range(2)]
    hypotheses: Any = [(name, [line["translation"] for line in own]) for name, own in (("a", baseline), ("b", system))]
    metrics: Any = {"BLEU": BLEU(), "CHRF": CHRF(), "TER": TER()}
    bootstrap = PairedTest(hypotheses, metrics, streams, test_type="bs", n_samples=200)()[1]
    randomization = PairedTest(hypotheses, metrics, streams, test_type="ar", n_samples=2000)()[1]
    for name, theirs in names.items():
        own, resampled, randomized = of(found, name), bootstrap[theirs], randomization[theirs]
        values: Any = [resampled[0], resampled[1], randomized[1]]
        assert own.baseline == pytest.approx(values[0].score)
        assert own.value == pytest.approx(values[1].score)
        assert own.p_bootstrap == pytest.approx(values[1].p_value, abs=1.5 / 201)  # they round to float32
        assert own.p_randomization == pytest.approx(values[2].p_value, abs=1.5 / 2001)
    assert found.num_trials == 2000
    assert "nrefs:var" in found.signatures["bleu"]


def test_values_are_those_of_the_reports(write: Write) -> None:
    baseline, system = translations(40, 0.2, 1), translations(40, 0.3, 2)
    found = compare(write("a", baseline, "translation"), write("b", system, "translation"), num_resamples=20)
    for lines, value in ((baseline, "baseline"), (system, "value")):
        metrics = measure("translation", lines, target_language="en", num_resamples=0).metrics
        assert {own.metric: getattr(own, value) for own in found.systems[0].differences} == pytest.approx(
            {name: own for name, own in metrics.items() if name not in ("signatures", "num_without_expected")}
        )


def test_what_two_systems_have_in_common_is_told_from_luck(write: Write) -> None:
    """Both are wrong on half of the texts, mostly the same ones, so that a small difference is no luck."""
    expected = "a" * 400
    first = write("first", labels(expected, "a" * 200 + "b" * 200))
    second = write("second", labels(expected, "a" * 212 + "b" * 188))
    own = of(compare(first, second, metrics=["accuracy"]), "accuracy")
    assert own.difference == pytest.approx(3)
    assert own.interval is not None
    assert 0.5 < own.interval[0] < 3 < own.interval[1] < 5.5
    assert own.p_bootstrap is not None
    assert own.p_bootstrap < 0.01
    assert own.p_randomization is not None
    assert own.p_randomization < 0.002  # all twelve on one side: 2 / 2^12
    assert own.p_mcnemar == pytest.approx(2 / 2**12)


def test_swapping_and_mcnemar_agree_on_accuracy(write: Write) -> None:
    """With seven texts for the one and fourteen for the other; both tests know only those."""
    expected = "a" * 100
    first = write("first", labels(expected, "a" * 7 + "b" * 14 + "a" * 79))
    second = write("second", labels(expected, "b" * 7 + "a" * 14 + "a" * 79))
    own = of(compare(first, second, metrics=["accuracy"]), "accuracy")
    p = float(binomtest(7, 21).pvalue)
    assert own.p_mcnemar == pytest.approx(p)
    assert own.p_randomization == pytest.approx(p, abs=0.015)  # 10,000 trials


def test_systems_that_answer_alike_are_not_different(write: Write) -> None:
    """sacreBLEU finds them to differ with p = 1 / (trials + 1)."""
    lines = labels("abab" * 3, "aabb" * 3)
    found = compare(write("a", lines), write("b", lines), num_resamples=50)
    for own in found.systems[0].differences:
        if own.value is not None:
            assert (own.difference, own.interval) == (0, (0, 0))
            assert (own.p_bootstrap, own.p_randomization) == (1, 1)
    assert of(found, "accuracy").p_mcnemar == 1


def test_one_text_more_is_no_evidence(write: Write) -> None:
    """Every trial is as far apart as the systems are; counted as less far, p would be 1 / (trials + 1)."""
    found = compare(write("a", labels("aaaa", "aaab")), write("b", labels("aaaa", "aaaa")), num_resamples=50)
    own = of(found, "accuracy")
    assert (own.p_randomization, own.p_mcnemar) == (1, 1)


@settings(max_examples=15)
@given(st.lists(st.tuples(*[st.sampled_from("abc")] * 3), min_size=10, max_size=14))
def test_exchanging_systems_turns_the_signs(answers: list[tuple[str, str, str]]) -> None:
    expected, first, second = ("".join(own) for own in zip(*answers, strict=True))
    with TemporaryDirectory() as parent:  # hypothesis runs this often, with one tmp_path
        folders: list[Path] = []
        for predicted in (first, second):
            folders.append(Path(parent) / str(len(folders)))
            folders[-1].mkdir()
            lines = "".join(json.dumps(line) + "\n" for line in labels(expected, predicted))
            (folders[-1] / "predictions.jsonl").write_text(lines)
            (folders[-1] / "report.json").write_text('{"task": "sentiment"}')
        one, other = compare(*folders, num_resamples=20), compare(*reversed(folders), num_resamples=20)
    for own, turned in zip(one.systems[0].differences, other.systems[0].differences, strict=True):
        if own.difference is None:
            assert turned.difference is None
            continue
        assert turned.difference == pytest.approx(-own.difference)
        assert turned.p_bootstrap == own.p_bootstrap
        assert turned.p_randomization == own.p_randomization
        assert turned.p_mcnemar == own.p_mcnemar
        assert own.interval is not None
        assert turned.interval == pytest.approx((-own.interval[1], -own.interval[0]))


def test_of_a_handful_of_texts_the_bootstrap_says_nothing(write: Write) -> None:
    """Of two texts an interval and a p were told, which reports do not tell of fewer than ten."""
    for num, is_told in ((9, False), (10, True)):
        expected = "a" * num
        found = compare(
            write("a", labels(expected, "a" * num)), write("b", labels(expected, "b" * num)), num_resamples=20
        )
        own = of(found, "accuracy")
        assert own.difference == -100
        assert (own.interval is not None, own.p_bootstrap is not None) == (is_told, is_told)
        assert own.p_randomization is not None
        assert own.p_mcnemar == pytest.approx(2 / 2**num)


def test_labels_of_either_system_are_known_to_both(write: Write) -> None:
    found = compare(write("a", labels("aab", "aab")), write("b", labels("aab", "acc")), num_resamples=20)
    own = of(found, "macro_f1")
    assert own.baseline == pytest.approx(100)
    assert own.value == pytest.approx(100 * (2 / 3 + 0 + 0) / 3)


def test_each_system_is_compared_with_the_first(write: Write) -> None:
    folders = [
        write(name, labels("aaaa", predicted)) for name, predicted in (("x", "aabb"), ("y", "aaab"), ("z", "b" * 4))
    ]
    found = compare(*folders, num_resamples=20)
    assert found.baseline == "x"
    assert [own.name for own in found.systems] == ["y", "z"]
    assert [of(found, "accuracy", i).difference for i in range(2)] == [pytest.approx(25), pytest.approx(-50)]
    alone = compare(folders[0], folders[2], num_resamples=20)
    assert alone.systems[0] == found.systems[1]


def test_folders_of_one_name_are_told_apart_by_their_paths(write: Write) -> None:
    lines = labels("aa", "ab")
    first, second = write("old/run", lines), write("new/run", lines)
    found = compare(first, second, num_resamples=5)
    assert (found.baseline, found.systems[0].name) == (str(first), str(second))


def test_distinct_is_shown_but_not_tested(write: Write) -> None:
    first = [{"line": 1, "text": "p", "continuation": "a a b"}, {"line": 2, "text": "p", "continuation": "a c"}]
    second = [{**line, "continuation": "x y z"} for line in first]
    found = compare(write("a", first, "generation"), write("b", second, "generation"), num_resamples=20)
    own = of(found, "distinct1")
    assert (own.baseline, own.value, own.difference) == pytest.approx((60, 50, -10))
    assert (own.interval, own.p_bootstrap, own.p_randomization) == (None, None, None)
    assert of(found, "mean_length").difference == pytest.approx(0.5)


def test_perplexities_are_compared(write: Write) -> None:
    def lines(more: float) -> list[dict[str, Any]]:
        nats = numpy.random.default_rng(1).gamma(4, 5, 60)
        return [
            {"line": i, "text": f"t{i}", "nats": float(own) + more, "num_tokens": 8, "num_words": 5}
            for i, own in enumerate(nats)
        ]

    found = compare(write("a", lines(0.0), "perplexity"), write("b", lines(0.5), "perplexity"), num_resamples=100)
    own = of(found, "word_perplexity")
    assert own.baseline is not None
    assert own.value == pytest.approx(own.baseline * numpy.exp(0.1))
    assert own.p_randomization is not None
    assert own.p_randomization < 0.01


def test_lines_without_anything_expected_are_left_out(write: Write) -> None:
    lines = labels("aab", "aba")
    del lines[2]["expected"]
    assert compare(write("a", lines), write("b", lines), num_resamples=5).num_texts == 2
    for line in lines:
        line.pop("expected", None)
    with pytest.raises(InvalidInput, match="nothing is expected"):
        compare(write("a", lines), write("b", lines))


def test_the_record_is_json(write: Write) -> None:
    found = compare(write("a", labels("ab", "ab")), write("b", labels("ab", "aa")), num_resamples=5)
    json.dumps(found.as_record(), allow_nan=False)
    assert found.as_record()["systems"][0]["differences"][0]["metric"] == "accuracy"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"line": 9}, "at line 2 of predictions.jsonl 'line' differs: 2 and 9"),
        ({"text": "another"}, 'at line 2 of predictions.jsonl \'text\' differs: "text 2" and "another"'),
        ({"expected": ["b"]}, r"at line 2 of predictions.jsonl 'expected' differs: \[\"a\"\] and \[\"b\"\]"),
    ],
)
def test_other_data_is_refused_with_the_first_difference(write: Write, change: dict[str, Any], message: str) -> None:
    lines = labels("aaa", "aaa")
    with pytest.raises(InvalidInput, match=message):
        compare(write("a", lines), write("b", [lines[0], {**lines[1], **change}, {**lines[2], "text": "far"}]))


def test_translations_into_another_language_are_refused(write: Write) -> None:
    lines = translations(3, 0.2, 1)
    others = [{**line, "target": "ko"} for line in lines]
    with pytest.raises(InvalidInput, match=r"at line 1 of predictions.jsonl 'target' differs: \"en\" and \"ko\""):
        compare(write("a", lines, "translation"), write("b", others, "translation"))


def test_fewer_lines_are_refused(write: Write) -> None:
    lines = labels("aaa", "aaa")
    with pytest.raises(InvalidInput, match=r"at line 3 of predictions.jsonl .*short ends"):
        compare(write("long", lines), write("short", lines[:2]))
    with pytest.raises(InvalidInput, match=r"at line 1 of predictions.jsonl .*none ends"):
        compare(write("none", []), write("short", lines[:2]))
    with pytest.raises(InvalidInput, match="is empty"):
        compare(write("a", []), write("b", []))


def test_predictions_that_are_not_the_reports_are_refused(write: Write) -> None:
    """Two evaluations into one folder at a time left the report of the one beside the answers of the other."""
    lines = labels("aaa", "aaa")
    good, mixed = write("good", lines), write("mixed", lines)
    (good / "report.json").write_text('{"task": "sentiment", "num_examples": 3}')
    assert compare(good, mixed, num_resamples=5).num_texts == 3
    for num in (2, 5):
        (mixed / "report.json").write_text(f'{{"task": "sentiment", "num_examples": {num}}}')
        told = f"mixed: report.json is of {num} examples, but predictions.jsonl has 3; they are not of one evaluation"
        with pytest.raises(InvalidInput, match=told):
            compare(good, mixed)


def test_other_tasks_and_unreadable_folders_are_refused(write: Write, tmp_path: Path) -> None:
    good = write("good", labels("a", "a"))
    with pytest.raises(InvalidInput, match=r"good is of sentiment, but .*other of generation"):
        compare(good, write("other", [], "generation"))
    with pytest.raises(InvalidInput, match=r"missing has no report.json"):
        compare(good, tmp_path / "missing")
    with pytest.raises(InvalidInput, match="at least two"):
        compare(good)
    with pytest.raises(InvalidInput, match="unknown metric 'bleu'; choose among accuracy, macro_f1, ece, nll"):
        compare(good, good, metrics=["bleu"])
    with pytest.raises(InvalidInput, match="no metric is named; choose among accuracy, macro_f1, ece, nll"):
        compare(good, good, metrics=[])
    with pytest.raises(InvalidInput, match="at least one resample"):
        compare(good, good, num_resamples=0)
    bad = write("bad", labels("a", "a"))
    for content, message in ((b"{", "line 1: no JSON"), (b"[]", "line 1: no JSON object")):
        (bad / "predictions.jsonl").write_bytes(content)
        with pytest.raises(InvalidInput, match=message):
            compare(bad, bad)
    (bad / "predictions.jsonl").unlink()
    with pytest.raises(InvalidInput, match=r"bad has no predictions.jsonl"):
        compare(bad, bad)
    (bad / "report.json").write_text("{}")
    with pytest.raises(InvalidInput, match="is no report"):
        compare(bad, bad)
