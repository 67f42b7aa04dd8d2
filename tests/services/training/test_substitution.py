"""Words are exchanged on both sides alike, and the command writes what `rondo train` reads."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from rondo_models.config import ConfigError
from rondo_models.heads.seq2seq import Seq2SeqConfig
from rondo_services.datasets.examples import SPLITS, Pair
from rondo_services.errors import InvalidInput
from rondo_services.training.recipe import DataEntry
from rondo_services.training.substitution import (
    SubstitutionOptions,
    exchange_words,
    substitute,
    substituted,
)
from rondo_services.training.user_data import read_user_file
from rondo_services.training.word_pairs import Stems, WordPair

CAT, SEOUL, ROOM = WordPair("고양이", "cat"), WordPair("서울", "Seoul"), WordPair("거실", "living room")
APPLE, PENCIL = WordPair("사과", "apple"), WordPair("연필", "pencil")
STEMS = Stems(["고양이를"])


@pytest.mark.parametrize(
    ("english", "korean", "exchange", "new_english", "new_korean"),
    [
        ("Where is the cat?", "고양이가 어디야", {CAT: PENCIL}, "Where is the pencil?", "연필이 어디야"),
        ("A cat, a Cat!", "고양이 고양이", {CAT: APPLE}, "An apple, an apple!", "사과 사과"),
        ("Go to Seoul.", "서울로 가", {SEOUL: APPLE}, "Go to apple.", "사과로 가"),
        ("Seoul’s trains", "서울의 기차", {SEOUL: APPLE}, "Apple’s trains", "사과의 기차"),
        ("An apple, a cat", "사과 고양이", {CAT: APPLE, APPLE: CAT}, "A cat, an apple", "고양이 사과"),
        ("Clean the living room.", "거실을 청소해", {ROOM: SEOUL}, "Clean the Seoul.", "서울을 청소해"),
    ],
)
def test_both_sides_get_the_new_words(
    english: str, korean: str, exchange: dict[WordPair, WordPair], new_english: str, new_korean: str
) -> None:
    new = exchange_words(Pair(english, korean, "en", "ko"), exchange, STEMS)
    assert new == Pair(new_english, new_korean, "en", "ko")


@pytest.mark.parametrize(
    ("english", "korean"),
    [
        ("Where is the dog?", "고양이가 어디야"),
        ("Where is the cat?", "강아지가 어디야"),
        ("The cat sees another cat.", "고양이가 봐"),
        ("A cat-sitter and concatenation", "고양이"),
    ],
)
def test_what_does_not_stand_equally_often_on_both_sides_stays(english: str, korean: str) -> None:
    assert exchange_words(Pair(english, korean, "en", "ko"), {CAT: APPLE}, STEMS) is None


def test_a_word_of_only_one_side_stays_while_others_are_exchanged() -> None:
    pair = Pair("The cat likes Seoul.", "고양이가 좋아해", "en", "ko")
    new = exchange_words(pair, {CAT: PENCIL, SEOUL: APPLE}, STEMS)
    assert new == Pair("The pencil likes Seoul.", "연필이 좋아해", "en", "ko")


def test_overlapping_compounds_stay_aligned() -> None:
    dust, level = WordPair("미세먼지", "fine dust"), WordPair("농도", "dust level")
    pair = Pair("The fine dust level", "미세먼지 농도", "en", "ko")
    new = exchange_words(pair, {dust: APPLE, level: PENCIL}, STEMS)
    assert new == Pair("The apple level", "사과 농도", "en", "ko")


def test_all_pairs_of_a_copy_get_the_same_words() -> None:
    topic = [Pair(f"The cat {n}", f"고양이가 {n}", "en", "ko") for n in range(4)]
    others = [WordPair("창문", "window"), WordPair("박물관", "museum"), WordPair("은행", "bank")]
    made = substituted([topic], STEMS, [CAT], others, copies=30, seed=1)
    assert len(made) == len(set(made))
    assert not set(made) & set(topic)
    by_word = {word: [pair for pair in made if word.english in pair.source] for word in others}
    for word, pairs in by_word.items():
        assert len(pairs) in (0, 4)
        assert all(pair.target.split()[0].startswith(word.korean) for pair in pairs)
    assert sum(map(len, by_word.values())) == len(made) > 4


def test_another_seed_draws_other_words() -> None:
    topic = [Pair("The cat", "고양이가", "en", "ko")]
    others = [WordPair("창" * n, f"window{n}") for n in range(2, 40)]
    first, same, other = (substituted([topic], STEMS, [CAT], others, copies=4, seed=seed) for seed in (1, 1, 2))
    assert first == same != other


ROWS = [
    (number, place, "test" if number == 4 else "train", english, korean)
    for number, (one, first, two, second) in enumerate(
        [
            ("cat", "고양이", "Seoul", "서울"),
            ("cat", "고양이", "library", "도서관"),
            ("Seoul", "서울", "library", "도서관"),
            ("Seoul", "서울", "cat", "고양이"),
            ("heron", "왜가리", "ferry", "연락선"),
        ]
    )
    for place, (english, korean) in enumerate(
        [
            (f"Is the {one} nearer than the {two}?", f"{first}에서 가까운가요 {second}에서 가까운가요"),
            (f"Please compare the {one} with the {two}.", f"{first}도 {second}도 비교해 주세요"),
            (f"I love the {one} and the {two}.", f"{first}보다 {second}까지 사랑해"),
        ]
    )
]


@pytest.fixture
def root(write_xz: Callable[[str, str], Path], tmp_path: Path) -> Path:
    text = "".join(f"{topic}_{place}\t{part}\t{en}\t{ko}\t0.9\t0.4\n" for topic, place, part, en, ko in ROWS)
    write_xz("parallel_en_ko_de/stylekqc.en-ko.derived.tsv.xz", f"kosp2e_id\tsplit\ten\tko\tsimilarity\tmargin\n{text}")
    write_xz("parallel_en_ko_de/ui_strings.en-ko.tsv.xz", "Window\t창문\nBank\t은행\nClose it all\t모두 닫기\n")
    return tmp_path


def _run(root: Path, output: Path, *options: str, hash_seed: str = "0") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "rondo_services.cli", "substitute", "--output", str(output), *options]
    environment = {**os.environ, "RONDO_DATA": str(root), "PYTHONHASHSEED": hash_seed}
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=environment)


def test_the_command_writes_the_same_pairs_whatever_the_hash_seed(root: Path) -> None:
    for hash_seed in ("1", "2"):
        options = ("--data", "stylekqc", "--words", "ui-en-ko", "--copies", "6")
        done = _run(root, root / "made" / f"{hash_seed}.tsv", *options, hash_seed=hash_seed)
        assert done.returncode == 0, done.stderr
    first, second = ((root / "made" / f"{seed}.tsv").read_bytes() for seed in ("1", "2"))
    assert first == second
    lines = first.decode().splitlines()
    assert done.stdout == f"wrote {len(lines) - 1} pairs to {root / 'made' / '2.tsv'}\n"
    assert lines[0] == "source\ttarget"


def test_training_reads_what_was_written_and_no_held_out_text_is_in_it(root: Path) -> None:
    output = root / "pairs.tsv"
    count = substitute(root, SubstitutionOptions("stylekqc", "ui-en-ko"), output)
    entry = DataEntry(str(output), "translation", language="ko", target_language="en", train_only=True)
    pairs = {split: list(read_user_file(output, entry, Seq2SeqConfig(), split)) for split in SPLITS}
    assert [len(pairs[split]) for split in SPLITS] == [count, 0, 0]
    assert count > 10
    text = output.read_text(encoding="utf-8")
    assert any(word in text for word in ("Window", "Bank"))
    assert not any(word in text for word in ("heron", "ferry", "왜가리", "연락선"))
    for pair in pairs["train"]:
        assert isinstance(pair, Pair)
        for korean, english in {"고양이": "cat", "서울": "Seoul", "도서관": "library", "창문": "window"}.items():
            assert (korean in pair.source) == (english.lower() in pair.target.lower())


@pytest.mark.parametrize(
    ("data", "words", "message"),
    [
        ("ui-en-ko", None, "ui-en-ko has no topics; sets that have: stylekqc"),
        ("stylekqc", "tatoeba-en-de", "tatoeba-en-de is no set of English and Korean pairs"),
        ("stylekqc", "stylekqc", "stylekqc has no pair of single words"),
    ],
)
def test_unfit_sets_are_refused(root: Path, data: str, words: str | None, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        substitute(root, SubstitutionOptions(data, words), root / "pairs.tsv")
    assert not (root / "pairs.tsv").exists()


def test_a_file_that_training_could_not_read_is_refused(root: Path) -> None:
    with pytest.raises(ConfigError, match=r"pairs\.csv: the file to write must end in \.tsv"):
        substitute(root, SubstitutionOptions("stylekqc"), root / "pairs.csv")


def test_a_set_without_recurring_words_is_refused(write_xz: Callable[[str, str], Path], tmp_path: Path) -> None:
    write_xz("parallel_en_ko_de/stylekqc.en-ko.derived.tsv.xz", "header\n1_0\ttrain\tWhy?\t왜\n")
    with pytest.raises(InvalidInput, match="found no words in stylekqc that translate each other"):
        substitute(tmp_path, SubstitutionOptions("stylekqc"), tmp_path / "pairs.tsv")


def test_the_command_ends_with_one_line_for_a_mistake(root: Path) -> None:
    done = _run(root, root / "pairs.tsv", "--data", "stylekqc-words")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("rondo: unknown data set 'stylekqc-words'; known are ")
    assert len(done.stderr.splitlines()) == 1
    with pytest.raises(ValueError, match="copies must be at least 1, not 0"):
        SubstitutionOptions("stylekqc", copies=0)
