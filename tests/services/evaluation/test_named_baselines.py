import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from rondo_services.datasets.examples import SPLITS, Split
from rondo_services.datasets.files import DataMissing
from rondo_services.errors import InvalidInput
from rondo_services.evaluation.baselines import lexicons
from rondo_services.evaluation.named_baselines import Measured, baselines_of, check_baselines

WriteXz = Callable[[str, str], Path]
GOOD, BAD = ("a great film", "what a lovely , great story"), ("a terrible film", "what a boring , terrible story")


def _trees(*texts: tuple[int, str]) -> str:
    """Sentences as the treebank has them, of words without a label of their own."""
    return "".join(f"({label} {' '.join(f'(2 {word})' for word in text.split())})\n" for label, text in texts)


@pytest.fixture
def sst2(tmp_path: Path) -> Path:
    """The folder of a tiny SST-2."""
    known = [(label, f"{text} {n}") for n in range(20) for label, texts in ((4, GOOD), (0, BAD)) for text in texts]
    (tmp_path / "sst").mkdir()
    for split, own in (
        ("train", [*known, (0, "a great , great day")]),  # a wrong label, of a text that is in dev too
        ("dev", [(4, "a great , great day"), (0, "a terrible day")]),
        ("test", [(4, "so great !"), (0, "so terrible !")]),
    ):
        (tmp_path / "sst" / f"{split}.txt").write_text(_trees(*own), encoding="utf-8")
    return tmp_path


def _lines(*texts: tuple[str, str]) -> list[dict[str, Any]]:
    return [
        {"line": n, "text": text, "expected": [expected], "label": "negative", "score": 0.9}
        for n, (text, expected) in enumerate(texts, 1)
    ]


ENGLISH = _lines(("so great!", "positive"), ("so terrible!", "negative"))


def test_all_baselines_of_english_sentiment(sst2: Path) -> None:
    measured = baselines_of("sentiment", "sst2", sst2, "test", ENGLISH, {})
    assert list(measured.values) == ["tfidf-logistic-regression", "nb-svm", "vader", "textblob"]
    assert {own["accuracy"] for own in measured.values.values()} == {100.0}
    assert measured.left_out == {}
    assert "baselines_left_out" not in measured.as_record()


def test_only_what_has_probabilities_is_measured_by_them(sst2: Path) -> None:
    values = baselines_of("sentiment", "sst2", sst2, "test", ENGLISH, {}).values
    assert set(values["tfidf-logistic-regression"]) == {"accuracy", "macro_f1", "ece", "nll", "signature"}
    for name in ("nb-svm", "vader", "textblob"):
        assert set(values[name]) == {"accuracy", "macro_f1", "signature"}


def test_signatures_tell_how_baselines_are_made_and_that_held_out_texts_are_not_learned(sst2: Path) -> None:
    values = baselines_of("sentiment", "sst2", sst2, "test", ENGLISH, {}).values
    for name in ("tfidf-logistic-regression", "nb-svm"):
        assert "features:word1-2|min_df:2|C:" in values[name]["signature"]
        assert "|train:80|tuned:dev-2|scikit-learn:" in values[name]["signature"]  # of 81, one is in dev
    assert values["vader"]["signature"].startswith("positive_from:")


def test_a_lexicon_that_is_not_installed_is_left_out_with_the_reason(
    sst2: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(lexicons.LEXICONS, "vader", "no_such_library")
    measured = baselines_of("sentiment", "sst2", sst2, "test", ENGLISH, {})
    assert "vader" not in measured.values
    assert measured.left_out == {"vader": "no_such_library is not installed; the extra `baselines` has it"}


def test_five_degrees_have_linear_baselines_and_no_lexicon(sst2: Path) -> None:
    lines = _lines(("a great film 3", "very positive"), ("a terrible film 3", "very negative"))
    measured = baselines_of("sentiment", "sst5", sst2, "test", lines, {})
    assert list(measured.values) == ["tfidf-logistic-regression", "nb-svm"]
    assert {own["accuracy"] for own in measured.values.values()} == {100.0}
    reason = "knows negative and positive only, and the labels are very negative, very positive"
    assert measured.left_out == {"vader": reason, "textblob": reason}


def test_where_every_training_text_is_held_out_nothing_can_be_learned(sst2: Path) -> None:
    (sst2 / "sst" / "train.txt").write_text(_trees((4, "so great !")), encoding="utf-8")
    with pytest.raises(InvalidInput, match="all training texts of sst2 are in its dev or test split"):
        baselines_of("sentiment", "sst2", sst2, "test", ENGLISH, {})


@pytest.fixture
def tatoeba(write_xz: WriteXz, tmp_path: Path) -> Path:
    """The folder of a tiny Tatoeba."""
    for split, text in (
        ("train", "the house\tdas Haus\nthe book\tdas Buch\na book\tein Buch\nthe night\tdie Nacht\n"),
        ("dev", "the night\tdie Nacht\n"),
        ("test", "a house\tein Haus\n"),
    ):
        write_xz(f"tatoeba/eng-deu.{split}.tsv.xz", text)
    return tmp_path


def _translations(*texts: tuple[str, Sequence[str]]) -> list[dict[str, Any]]:
    return [
        {"line": n, "text": text, "expected": list(expected), "translation": "?"}
        for n, (text, expected) in enumerate(texts, 1)
    ]


@pytest.mark.parametrize(
    ("source", "target", "text", "expected"),
    [("en", "de", "a house", ["kein Haus", "ein Haus"]), ("de", "en", "ein Haus", ["a house"])],
)
def test_the_dictionary_is_learned_in_the_direction_that_is_measured(
    tatoeba: Path, source: str, target: str, text: str, expected: list[str]
) -> None:
    options = {"source": source, "target": target}
    lines = _translations((text, expected))
    values = baselines_of("translation", "tatoeba-en-de", tatoeba, "test", lines, options).values
    own = values["ibm-model-1-dictionary"]
    assert (own["chrf"], own["ter"]) == (100, 0)
    assert own["signature"] == "iterations:5|words:4|train:3"  # of 4, one is in dev
    assert lines[0]["translation"] == "?"


def test_nothing_is_measured_on_what_it_is_learned_from(sst2: Path, tatoeba: Path) -> None:
    measured = baselines_of("translation", "tatoeba-en-de", tatoeba, "train", [], {"source": "en", "target": "de"})
    assert (list(measured.values), list(measured.left_out)) == ([], ["ibm-model-1-dictionary"])
    measured = baselines_of("sentiment", "sst2", sst2, "train", ENGLISH, {})
    assert list(measured.values) == ["vader", "textblob"]  # which learn from dev
    assert list(measured.left_out) == ["tfidf-logistic-regression", "nb-svm"]
    assert "learned from" in measured.left_out["nb-svm"]


def test_before_a_service_is_run_its_training_data_are_looked_for(tatoeba: Path, write_xz: WriteXz) -> None:
    check_baselines("translation", "tatoeba-en-de", tatoeba, "test")
    with pytest.raises(DataMissing):
        check_baselines("sentiment", "sst2", tatoeba, "test")
    with pytest.raises(DataMissing):
        check_baselines("sentiment", "sst2", tatoeba, "train")
    check_baselines("sentiment", "nsmc-pool", tatoeba, "train")  # none is run on it
    check_baselines("translation", "tatoeba-en-ko", tatoeba, "train")
    write_xz("tatoeba/eng-deu.train.tsv.xz", "")
    with pytest.raises(InvalidInput, match="tatoeba-en-de has no train split to learn baselines from; --no-baselines"):
        check_baselines("translation", "tatoeba-en-de", tatoeba, "test")


def test_a_task_without_baselines_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="no baselines of generation"):
        baselines_of("generation", "wikitext2", tmp_path, "test", [], {})


def _stanza(number: int, synopsis: str, text: str) -> str:
    return f"Package: pkg{number}\nDescription-md5: {number}\nDescription-en: {synopsis}\n {text}\n"


def test_baselines_of_summaries_are_as_long_as_those_of_the_training_set(write_xz: WriteXz, tmp_path: Path) -> None:
    texts = [f"Program {n} counts the {n} birds near the pond." for n in range(60)]
    stanzas = [_stanza(n, f"tool number {n}", text) for n, text in enumerate(texts)]
    write_xz("debian_descriptions/Translation-en.xz", "\n".join(stanzas))
    lines = [
        {"line": n, "text": text, "expected": [f"tool number {n}"], "summary": "no"} for n, text in enumerate(texts[:5])
    ]
    measured = baselines_of("summarization", "debian-synopsis-en", tmp_path, "test", lines, {})
    assert list(measured.values) == [
        "lead-3-words",
        "lead-sentence",
        "lexrank-sentence-3-words",
        "lexrank-sentence",
        "nearest-neighbour",
    ]
    assert "not like one" in measured.left_out["logistic-regression-sentence"]
    assert measured.values["lead-3-words"]["rouge1"] == pytest.approx(100 / 3)
    assert measured.values["nearest-neighbour"]["rougeL"] >= 200 / 3
    assert not {"num_without_expected", "signatures"} & set(measured.values["lead-3-words"])
    assert "|sumy:" in measured.values["lexrank-sentence-3-words"]["signature"]
    assert all(line["summary"] == "no" for line in lines)
    assert "rouge1_stemmed" not in measured.values["lead-sentence"]


@pytest.mark.parametrize("split", ["train", "test"])
def test_a_sentence_is_chosen_where_summaries_are_sentences(tmp_path: Path, split: Split) -> None:
    rows = [
        {
            "source": [f"Many birds of kind {n} live near ponds.", f"Here we count them in all of the {n} old ponds."],
            "source_labels": [0, 1],
            "target": [f"A paper in which we count them in all of the {n} ponds there are."],
        }
        for n in range(8)
    ]
    (tmp_path / "scitldr").mkdir()
    for name in SPLITS:
        (tmp_path / "scitldr" / f"{name}.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    text = "Many birds of kind 0 live near ponds. Here we count them in all of the 0 old ponds."
    lines = [{"line": 0, "text": text, "expected": rows[0]["target"], "summary": "no"}]
    measured = baselines_of("summarization", "scitldr", tmp_path, split, lines, {}, with_stemmed_rouge=True)
    chooser = "logistic-regression-sentence"
    assert measured.values["lead-sentence"]["rouge1_stemmed"] < 40
    if split == "train":
        assert measured.left_out == {chooser: "would be measured on the texts that it is learned from"}
    else:
        assert measured.values[chooser]["rouge1_stemmed"] > 60


def test_a_report_has_what_was_left_out_only_if_something_was() -> None:
    assert Measured({"a": {}}).as_record() == {"baselines": {"a": {}}}
    assert Measured(left_out={"b": "why"}).as_record() == {"baselines": {}, "baselines_left_out": {"b": "why"}}
