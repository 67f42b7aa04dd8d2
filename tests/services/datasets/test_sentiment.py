from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from rondo_services.datasets.examples import SPLITS, Labelled
from rondo_services.datasets.sentiment import (
    detokenized,
    imdb,
    nsmc,
    nsmc_pool,
    sst2,
    sst2_sentences,
    sst5,
    sst5_sentences,
)

WriteXz = Callable[[str, str], Path]
WriteTar = Callable[[str, Mapping[str, str]], Path]
HEADER = "id\tdocument\tlabel\n"


def nsmc_rows(count: int) -> str:
    return HEADER + "".join(f"{number}\t감상 {number}번\t{number % 2}\n" for number in range(1, count + 1))


def test_nsmc_has_the_official_test_and_every_fiftieth_row_as_dev(write_xz: WriteXz, tmp_path: Path) -> None:
    write_xz("nsmc/ratings_train.txt.xz", nsmc_rows(120))
    write_xz("nsmc/ratings_test.txt.xz", nsmc_rows(2))
    assert list(nsmc(tmp_path, "test")) == [
        Labelled("감상 1번", "positive", "ko"),
        Labelled("감상 2번", "negative", "ko"),
    ]
    assert [example.text for example in nsmc(tmp_path, "dev")] == ["감상 50번", "감상 100번"]
    train = [example.text for example in nsmc(tmp_path, "train")]
    assert len(train) == 118
    assert not {"감상 50번", "감상 100번"} & set(train)


def test_nsmc_quotes_are_text(write_xz: WriteXz, tmp_path: Path) -> None:
    """The files are unquoted: a CSV reader would join lines from one stray quote to the next."""
    rows = '1\t"그냥 그랬다\t0\n2\t"정말" 좋다\t1\n3\t끝까지 "봤다\t1\n4\t"""\t0\n'
    write_xz("nsmc/ratings_test.txt.xz", HEADER + rows)
    texts = [example.text for example in nsmc(tmp_path, "test")]
    assert texts == ['"그냥 그랬다', '"정말" 좋다', '끝까지 "봤다', '"""']


def test_nsmc_blank_reviews_stay_in_test_only(write_xz: WriteXz, tmp_path: Path) -> None:
    rows = "1\t\t0\n2\t \t1\n3\t좋다\t1\n"
    write_xz("nsmc/ratings_train.txt.xz", HEADER + rows)
    write_xz("nsmc/ratings_test.txt.xz", HEADER + rows)
    assert [example.text for example in nsmc(tmp_path, "train")] == ["좋다"]
    assert len(list(nsmc(tmp_path, "test"))) == 3


def test_the_nsmc_pool_has_clear_ratings_for_training_only(write_xz: WriteXz, tmp_path: Path) -> None:
    rows = "".join(f"{rating}\t{rating}\t별 {rating}개\n" for rating in range(1, 11))
    write_xz("nsmc/reviews_all_ratings.tsv.xz", f"id\trating\tdocument\n{rows}11\t10\t탭\t있음\n12\t1\t \n")
    pool = [(example.text, example.label) for example in nsmc_pool(tmp_path, "train")]
    assert pool == [
        *((f"별 {rating}개", "negative") for rating in (1, 2, 3, 4)),
        ("별 9개", "positive"),
        ("별 10개", "positive"),
        ("탭\t있음", "positive"),
    ]
    assert list(nsmc_pool(tmp_path, "dev")) == []
    assert list(nsmc_pool(tmp_path, "test")) == []


TREES = """\
(3 (2 The) (4 (3 (2 soup) (2 -LRB-)) (4 (3 (4 very) (4 warm)) (2 -RRB-))))
(2 (2 It) (2 rains))
(0 Cold)
(0 (2 Such) (1 (1 bitter) (2 (2 tea) (2 .))))
"""


@pytest.fixture
def trees(tmp_path: Path) -> Path:
    (tmp_path / "sst").mkdir()
    for split in SPLITS:
        (tmp_path / "sst" / f"{split}.txt").write_text(TREES, encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize("split", ["dev", "test"])
def test_sst_sentences_without_the_neutral_ones(trees: Path, split: str) -> None:
    found = [(example.text, example.label) for example in sst2(trees, "dev" if split == "dev" else "test")]
    assert found == [
        ("The soup (very warm)", "positive"),
        ("Cold", "negative"),
        ("Such bitter tea.", "negative"),
    ]


def test_sst_training_adds_phrases_of_two_words_or_more(trees: Path) -> None:
    assert [(example.text, example.label) for example in sst2(trees, "train")] == [
        ("The soup (very warm)", "positive"),
        ("soup (", "positive"),
        ("very warm", "positive"),
        ("very warm)", "positive"),
        ("soup (very warm)", "positive"),
        ("Cold", "negative"),
        ("Such bitter tea.", "negative"),
        ("bitter tea.", "negative"),
    ]


def test_sst_in_five_degrees_has_every_phrase_and_word_in_training(trees: Path) -> None:
    train = [(example.text, example.label) for example in sst5(trees, "train")]
    assert train[:6] == [
        ("The soup (very warm)", "positive"),
        ("The", "neutral"),
        ("soup", "neutral"),
        ("(", "neutral"),
        ("soup (", "positive"),
        ("very", "very positive"),
    ]
    assert ("It rains", "neutral") in train
    assert ("Such bitter tea.", "very negative") in train
    sentences = [
        ("The soup (very warm)", "positive"),
        ("It rains", "neutral"),
        ("Cold", "very negative"),
        ("Such bitter tea.", "very negative"),
    ]
    for split in ("dev", "test"):
        assert [(e.text, e.label) for e in sst5(trees, "dev" if split == "dev" else "test")] == sentences
    assert [(e.text, e.label) for e in sst5_sentences(trees, "train")] == sentences
    assert list(sst5_sentences(trees, "test")) == []


def test_sentences_of_sst2_are_those_with_an_opinion(trees: Path) -> None:
    assert [(e.text, e.label) for e in sst2_sentences(trees, "train")] == [
        (e.text, e.label) for e in sst2(trees, "dev")
    ]
    assert [e.label for e in sst2_sentences(trees, "train")] == ["positive", "negative", "negative"]
    assert list(sst2_sentences(trees, "dev")) == []


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ("it 's the bakers ' day , and they ca n't wait !", "it's the bakers' day, and they can't wait!"),
        ("-- 50 % of it ; the rest : none", "-- 50% of it; the rest: none"),
        ("tea and\\/or milk", "tea and/or milk"),
        ("a ` plain ' word", "a 'plain' word"),
        ("rock 'n' roll", "rock 'n' roll"),
        ("They 'd say I 'm late .", "They'd say I'm late."),
    ],
)
def test_treebank_spacing_is_undone(words: str, text: str) -> None:
    assert detokenized(words) == text


def test_double_quotes_lose_both_inner_spaces() -> None:
    """A closing '' kept its space, as in `a "warm " soup`."""
    assert detokenized("a `` warm '' soup") == 'a "warm" soup'
    assert detokenized("`` warm ''") == '"warm"'


def test_imdb_reads_both_classes_in_the_official_parts(write_tar: WriteTar, tmp_path: Path) -> None:
    members = {
        "aclImdb/README": "not a review",
        "aclImdb/train/unsup/0_0.txt": "not labelled",
        "aclImdb/train/neg/0_2.txt": "dev, bad",
        "aclImdb/train/neg/1_1.txt": "train, bad<br /><br />really bad",
        "aclImdb/train/neg/19_4.txt": "train, dull<br/>",
        "aclImdb/train/pos/20_8.txt": "dev, good",
        "aclImdb/train/pos/21_10.txt": "train, güt",
        "aclImdb/test/neg/0_3.txt": "test, bad",
        "aclImdb/test/pos/20_9.txt": "test, good",
    }
    write_tar("imdb/aclImdb_labelled.tar.xz", members)
    found = {split: [(example.text, example.label) for example in imdb(tmp_path, split)] for split in SPLITS}
    assert found == {
        "train": [
            ("train, bad\nreally bad", "negative"),
            ("train, dull\n", "negative"),
            ("train, güt", "positive"),
        ],
        "dev": [("dev, bad", "negative"), ("dev, good", "positive")],
        "test": [("test, bad", "negative"), ("test, good", "positive")],
    }
