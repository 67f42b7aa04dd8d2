import json
from pathlib import Path
from unicodedata import normalize

import pytest

from rondo_models.config import ConfigError
from rondo_models.heads.classifier import ClassifierConfig
from rondo_models.heads.language_model import LanguageModelConfig
from rondo_models.heads.seq2seq import Seq2SeqConfig
from rondo_models.model import HeadConfig
from rondo_services.datasets.examples import SPLITS, Document, Example, Labelled, Pair
from rondo_services.training.recipe import DataEntry
from rondo_services.training.user_data import labels_in, read_user_file

CLASSIFIER = ClassifierConfig(labels=("bad", "good"))
ROWS = [(f'A "{number}" boat,\tor two\nlines', "good" if number % 3 else "bad") for number in range(400)]


def read(path: Path, head: HeadConfig = CLASSIFIER) -> dict[str, list[Example]]:
    entry = DataEntry(str(path), "head", language="de", target_language="ko")
    return {split: list(read_user_file(path, entry, head, split)) for split in SPLITS}


def all_of(path: Path, head: HeadConfig = CLASSIFIER) -> list[Example]:
    return [example for examples in read(path, head).values() for example in examples]


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def write_rows(path: Path, rows: list[tuple[str, str]]) -> Path:
    if path.suffix == ".jsonl":
        content = "".join(json.dumps({"label": label, "id": 1, "text": text}) + "\n" for text, label in rows)
    else:
        mark = {".csv": ",", ".tsv": "\t"}[path.suffix]
        lines = [mark.join(("label", "id", "text")), *(mark.join((b, "1", _quoted(a))) for a, b in rows)]
        content = "\n".join(lines) + "\n"
    path.write_text(content, encoding="utf-8")
    return path


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl"])
def test_every_format_gives_the_same_examples(tmp_path: Path, suffix: str) -> None:
    found = all_of(write_rows(tmp_path / f"rows{suffix}", ROWS))
    assert {(e.text, e.label) for e in found if isinstance(e, Labelled)} == set(ROWS)
    assert all(isinstance(example, Labelled) and example.language == "de" for example in found)


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl"])
def test_the_split_is_disjoint_and_about_ninety_to_five_to_five(tmp_path: Path, suffix: str) -> None:
    found = read(write_rows(tmp_path / f"rows{suffix}", ROWS))
    texts = {split: {e.text for e in examples if isinstance(e, Labelled)} for split, examples in found.items()}
    assert not texts["train"] & texts["dev"]
    assert not texts["train"] & texts["test"]
    assert not texts["dev"] & texts["test"]
    assert sum(map(len, texts.values())) == len(ROWS)
    assert 8 <= len(texts["dev"]) <= 35
    assert 8 <= len(texts["test"]) <= 35


def test_the_split_of_a_text_does_not_depend_on_the_others(tmp_path: Path) -> None:
    whole = read(write_rows(tmp_path / "whole.csv", ROWS))
    part = read(write_rows(tmp_path / "part.jsonl", ROWS[::-3]))
    for split in SPLITS:
        assert set(part[split]) <= set(whole[split])


def test_the_split_never_changes(tmp_path: Path) -> None:
    """With a new version that split otherwise, texts would move from test to training.

    The hashes of these texts end, modulo 100, in 0, 4, 5, 9, 10 and 99.
    """
    numbers = (129, 46, 143, 96, 307, 149)
    found = read(write_rows(tmp_path / "rows.jsonl", [(f"text {number}", "good") for number in numbers]))
    texts = {split: [e.text for e in examples if isinstance(e, Labelled)] for split, examples in found.items()}
    assert texts == {
        "dev": ["text 129", "text 46"],
        "test": ["text 143", "text 96"],
        "train": ["text 307", "text 149"],
    }


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("text,label\nNice, warm bread,good\n", r"rows.csv:2: 3 cells, but 2 columns; a cell .* needs quotes"),
        ("text,label,label\nWarm bread,good,bad\n", "rows.csv:1: several columns are called label"),
        ("text,label\nWarm bread,good\nCold soup,\n", "rows.csv:3: nothing in label; leave the row out"),
        ("text,label\n , \n", "rows.csv:2: nothing in text and label"),
    ],
)
def test_rows_that_would_lose_something_are_refused(tmp_path: Path, rows: str, message: str) -> None:
    path = tmp_path / "rows.csv"
    path.write_text(rows, encoding="utf-8")
    with pytest.raises(ConfigError, match=message):
        all_of(path)
    with pytest.raises(ConfigError, match=message):
        labels_in(path)


def test_a_cell_may_be_long(tmp_path: Path) -> None:
    (found,) = all_of(write_rows(tmp_path / "rows.csv", [("long " * 40_000, "good")]))
    assert isinstance(found, Labelled)
    assert len(found.text) == 200_000


def test_equal_texts_are_in_one_split(tmp_path: Path) -> None:
    found = read(write_rows(tmp_path / "rows.csv", [("same text", "good"), ("same text", "bad")]))
    assert sorted(len(examples) for examples in found.values()) == [0, 0, 2]


def test_a_file_for_training_only_has_no_dev_and_no_test(tmp_path: Path) -> None:
    path = tmp_path / "pairs.tsv"
    rows = [(f"boat {number}", f"배 {number}") for number in range(100)]
    path.write_text("\n".join(["source\ttarget", *map("\t".join, rows)]) + "\n", encoding="utf-8")
    entry = DataEntry(str(path), "head", language="en", target_language="ko", train_only=True)
    found = {split: list(read_user_file(path, entry, Seq2SeqConfig(), split)) for split in SPLITS}
    assert found == {"train": [Pair(*row, "en", "ko") for row in rows], "dev": [], "test": []}


def test_pairs_and_running_text(tmp_path: Path) -> None:
    path = tmp_path / "pairs.csv"
    path.write_text("source,target,text\nBoot,배,ein Boot\n", encoding="utf-8")
    assert all_of(path, Seq2SeqConfig()) == [Pair("Boot", "배", "de", "ko")]
    assert all_of(path, LanguageModelConfig()) == [Document(("ein Boot",), "de")]


def test_a_byte_order_mark_is_no_part_of_the_first_column(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("text,label\nBoot,good\n", encoding="utf-8-sig")
    assert all_of(path) == [Labelled("Boot", "good", "de")]


def test_blank_lines_in_jsonl_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('\n{"text": "Boot", "label": "good"}\n\n', encoding="utf-8")
    assert all_of(path) == [Labelled("Boot", "good", "de")]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", "text,rating\nBoot,good\n", "a.csv:2: expected the columns text, label; found text, rating"),
        ("a.tsv", "text,label\nBoot,good\n", "a.tsv:2: expected the columns text, label; found text,label"),
        ("a.csv", "text,label\nBoot,good\nnur Text\n", "a.csv:3: expected the columns text, label; found text"),
        ("a.jsonl", '{"text": "a", "label": "b"}\n{"text": "c"}\n', "a.jsonl:2: expected .* found text"),
        ("a.jsonl", '{"text": "a", "label": null}\n', "a.jsonl:1: expected .* found text"),
        ("a.jsonl", '["a", "b"]\n', "a.jsonl:1: expected the columns text, label; found none"),
    ],
)
def test_a_missing_column_is_named_with_file_and_line(tmp_path: Path, name: str, content: str, message: str) -> None:
    path = tmp_path / name
    path.write_text(content, encoding="utf-8")
    with pytest.raises(ConfigError, match=f"{message}$"):
        read(path)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", b'text,label\nBoot,good\n"offen,good\n', r"a\.csv:3: unexpected end of data"),
        ("a.tsv", b'text\tlabel\n"Boot" am See\tgood\n', r"a\.tsv:2: .* expected after"),
        ("a.csv", "text,label\nBrücke,good\n".encode("latin-1"), r"a\.csv: no UTF-8 text"),
        ("a.jsonl", b'{"text": "a", "label": "b"}\n{"text": \n', r"a\.jsonl:2: Expecting value"),
        ("a.jsonl", b'{"text": "cut \\ud83d", "label": "b"}\n', r"a\.jsonl:1: .*surrogates not allowed"),
        ("a.jsonl", b"\n" + b"[" * 100_000 + b"\n", r"a\.jsonl:2: the JSON is nested too deep"),
        ("a.jsonl", b'{"text": "a", "label": "b", "n": ' + b"9" * 5000 + b"}\n", r"a\.jsonl:1: Exceeds the limit"),
        ("a.jsonl", b'{"text": 5, "label": "b"}\n', r"a\.jsonl:1: text is 5, which is no text"),
        ("a.jsonl", b'{"text": "a", "label": ["b"]}\n', r'a\.jsonl:1: label is \["b"\], which is no text'),
        ("a.jsonl", b'{"text": "a", "label": NaN}\n', r"a\.jsonl:1: .*not JSON compliant"),
    ],
)
def test_a_broken_file_is_an_error_with_its_place(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    """These ended `rondo train` with a traceback, or with an error that named no file."""
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=message):
        read(path)


def test_another_ending_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "rows.xlsx"
    path.write_bytes(b"")
    with pytest.raises(ConfigError, match=r"rows\.xlsx: expected a \.csv, \.tsv or \.jsonl file"):
        read(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"rows\.csv: there is no such file, and no data set of that name"):
        read(tmp_path / "rows.csv")


def test_labels_are_sorted_and_distinct(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "rows.csv", [("a", "mixed"), ("b", "good"), ("c", "bad"), ("d", "good")])
    assert labels_in(path) == ("bad", "good", "mixed")


def test_a_label_may_be_a_number_or_a_boolean(tmp_path: Path) -> None:
    """`rondo evaluate` took it, and training said that there was no such column."""
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(f'{{"text": "Boot", "label": {own}}}\n' for own in ("1", "true", "0.5")), encoding="utf-8")
    assert [own.label for own in all_of(path) if isinstance(own, Labelled)] == ["1", "true", "0.5"]
    assert labels_in(path) == ("0.5", "1", "true")


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl"])
def test_space_around_a_label_and_how_it_is_composed_make_no_other_one(tmp_path: Path, suffix: str) -> None:
    """There were two classes, of which no text could be told apart."""
    path = write_rows(tmp_path / f"rows{suffix}", [("a", "öde"), ("b", normalize("NFD", "öde")), ("c", " öde ")])
    assert labels_in(path) == ("öde",)
    assert {own.label for own in all_of(path) if isinstance(own, Labelled)} == {"öde"}
