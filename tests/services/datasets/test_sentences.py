from collections.abc import Callable
from itertools import chain
from pathlib import Path

import pytest

from rondo_services.datasets.catalog import DATA_SETS
from rondo_services.datasets.examples import SPLITS, Example, Labelled
from rondo_services.datasets.sentences import NUM_FOLDS, mpqa, mr, subj, trec

FOLDS = range(1, NUM_FOLDS + 1)
Write = Callable[[str, list[str]], None]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(name: str, rows: list[str]) -> None:
        folder = tmp_path / "sentence_classification"
        folder.mkdir(exist_ok=True)
        (folder / name).write_bytes("".join(f"{row}\n" for row in rows).encode("cp1252"))

    return write


def _texts(examples: object) -> list[str]:
    assert not isinstance(examples, str)
    return [example.text for example in examples]  # type: ignore[attr-defined]


def test_every_text_is_tested_in_one_fold_and_is_in_one_split_of_each(write: Write, tmp_path: Path) -> None:
    texts = [f"sentence of number {number}" for number in range(400)]
    write("rt-polarity.all", [f"{number % 2} {text} " for number, text in enumerate(texts)])
    assert sorted(text for fold in FOLDS for text in _texts(mr(tmp_path, "test", fold))) == sorted(texts)
    for fold in FOLDS:
        parts = {split: _texts(mr(tmp_path, split, fold)) for split in SPLITS}
        assert sorted(chain(*parts.values())) == sorted(texts)
        assert 20 <= len(parts["test"]) <= 60
        assert 6 <= len(parts["dev"]) <= 36


def test_texts_that_differ_in_case_and_punctuation_are_never_apart(write: Write, tmp_path: Path) -> None:
    """As many of MPQA's phrases are there several times: apart, a model would know a third of the test texts."""
    write("mpqa.all", [row for number in range(40) for row in (f"0 so number {number}", f"1 So , number {number} !")])
    for fold in FOLDS:
        for split in SPLITS:
            found = _texts(mpqa(tmp_path, split, fold))
            assert len(found) == 2 * len({text.lower().replace(",", "").rstrip("!") for text in found})


def test_labels_have_names_and_texts_are_written_as_people_write(write: Write, tmp_path: Path) -> None:
    write(
        "subj.all",
        ["0 it 's the director – of course . ", "1 he ca n't sleep in the café ."],
    )
    found = sorted(
        (example for fold in FOLDS for example in subj(tmp_path, "test", fold)), key=lambda example: example.label
    )
    assert found == [
        Labelled("he can't sleep in the café.", "objective", "en"),
        Labelled("it's the director – of course.", "subjective", "en"),
    ]


def test_trec_has_its_own_test_and_folds_of_dev(write: Write, tmp_path: Path) -> None:
    questions = [f"What is thing {number} ?" for number in range(300)]
    write("TREC.train.all", [f"{number % 6} {text}" for number, text in enumerate(questions)])
    write("TREC.test.all", ["5 How far is it ?", "3 Who was Galileo ?"])
    assert list(trec(tmp_path, "test", 3)) == [
        Labelled("How far is it?", "number", "en"),
        Labelled("Who was Galileo?", "human", "en"),
    ]
    devs = [_texts(trec(tmp_path, "dev", fold)) for fold in FOLDS]
    assert all(devs)
    assert len(set(chain(*devs))) == sum(map(len, devs)) < len(questions)
    for fold, dev in zip(FOLDS, devs, strict=True):
        train = _texts(trec(tmp_path, "train", fold))
        assert not set(train) & set(dev)
        assert len(train) + len(dev) == len(questions)


@pytest.mark.parametrize("fold", [0, NUM_FOLDS + 1])
@pytest.mark.parametrize("name", ["mr", "subj", "mpqa", "trec"])
def test_a_fold_that_is_none(write: Write, tmp_path: Path, name: str, fold: int) -> None:
    for file in ("rt-polarity.all", "subj.all", "mpqa.all", "TREC.train.all"):
        write(file, ["0 text"])
    with pytest.raises(ValueError, match=f"fold must be 1 to 10, not {fold}"):
        list(DATA_SETS[name].examples(tmp_path, "train", fold))


def test_the_first_fold_is_what_is_read_if_none_is_named(write: Write, tmp_path: Path) -> None:
    write("rt-polarity.all", [f"1 sentence {number}" for number in range(50)])

    def all_of(fold: int) -> list[Example]:
        return list(DATA_SETS["mr"].examples(tmp_path, "test", fold))

    assert list(DATA_SETS["mr"].read(tmp_path, "test")) == all_of(1) != all_of(2)


def test_a_set_without_folds_has_no_second_one(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="the data set sst2 has no folds, so that there is no fold 2"):
        DATA_SETS["sst2"].examples(tmp_path, "test", 2)
