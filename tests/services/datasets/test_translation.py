from collections.abc import Callable
from pathlib import Path

import pytest

from rondo_services.datasets.catalog import data_set
from rondo_services.datasets.examples import SPLITS, Pair
from rondo_services.datasets.translation import (
    bible,
    reversed_pair,
    stylekqc,
    stylekqc_paraphrases,
    tatoeba,
    with_all_references,
)

WriteXz = Callable[[str, str], Path]


@pytest.mark.parametrize(("language", "code"), [("de", "deu"), ("ko", "kor"), ("fr", "fra")])
def test_tatoeba_has_a_file_for_each_split(write_xz: WriteXz, tmp_path: Path, language: str, code: str) -> None:
    for split in SPLITS:
        write_xz(f"tatoeba/eng-{code}.{split}.tsv.xz", f'The "{split}" boat.\tZiel {split}\nTwo\tzwei\n')
    for split in SPLITS:
        assert list(tatoeba(tmp_path, split, language)) == [
            Pair(f'The "{split}" boat.', f"Ziel {split}", "en", language),
            Pair("Two", "zwei", "en", language),
        ]


def test_the_catalog_reads_each_language(write_xz: WriteXz, tmp_path: Path) -> None:
    write_xz("tatoeba/eng-kor.dev.tsv.xz", "A boat.\t배 한 척.\n")
    assert list(data_set("tatoeba-en-ko").read(tmp_path, "dev")) == [Pair("A boat.", "배 한 척.", "en", "ko")]
    write_xz("tatoeba/eng-fra.dev.tsv.xz", "A boat!\tUn bateau\u202f!\n")
    assert list(data_set("tatoeba-en-fr").read(tmp_path, "dev")) == [Pair("A boat!", "Un bateau\u202f!", "en", "fr")]


def test_stylekqc_follows_its_split_column(write_xz: WriteXz, tmp_path: Path) -> None:
    rows = [("train", "When does it rain?", "언제 비가 와?"), ("valid", "Close it.", "닫아."), ("test", "Why?", "왜?")]
    text = "".join(f"1_{i}\t{part}\t{en}\t{ko}\t0.9\t0.4\n" for i, (part, en, ko) in enumerate(rows))
    write_xz("parallel_en_ko_de/stylekqc.en-ko.derived.tsv.xz", f"kosp2e_id\tsplit\ten\tko\tsimilarity\tmargin\n{text}")
    for split, (_, english, korean) in zip(SPLITS, rows, strict=True):
        assert list(stylekqc(tmp_path, split)) == [Pair(english, korean, "en", "ko")]


def test_topics_are_pairs_of_one_number(write_xz: WriteXz, tmp_path: Path) -> None:
    rows = [
        ("1_0", "train", "Is it raining?", "비가 오나요"),
        ("2_0", "train", "Where is it?", "어디예요"),
        ("1_4", "train", "Please see if it rains.", "비 오는지 봐주세요"),
        ("3_0", "test", "Why?", "왜요"),
    ]
    text = "".join("\t".join(row) + "\n" for row in rows)
    write_xz("parallel_en_ko_de/stylekqc.en-ko.derived.tsv.xz", f"kosp2e_id\tsplit\ten\tko\n{text}")
    topics = data_set("stylekqc").topics
    assert topics is not None
    assert topics(tmp_path, "train") == [
        [
            Pair("Is it raining?", "비가 오나요", "en", "ko"),
            Pair("Please see if it rains.", "비 오는지 봐주세요", "en", "ko"),
        ],
        [Pair("Where is it?", "어디예요", "en", "ko")],
    ]
    assert topics(tmp_path, "test") == [[Pair("Why?", "왜요", "en", "ko")]]
    assert data_set("stylekqc-paraphrases").topics is None


def test_paraphrases_pair_sentences_of_one_topic_and_politeness(write_xz: WriteXz, tmp_path: Path) -> None:
    rows = [
        ("1_0", "train", "Is it raining?", "비가 오나요"),
        ("1_4", "train", "Please see if it rains.", "비 오는지 봐주세요"),
        ("1_5", "train", "Rain?", "비 와?"),
        ("2_1", "train", "Where is it?", "어디예요"),
        ("3_0", "test", "Why?", "왜요"),
        ("3_1", "test", "Tell me why.", "왜인지 알려주세요"),
    ]
    text = "".join("\t".join((*row, "0.9", "0.4")) + "\n" for row in rows)
    write_xz("parallel_en_ko_de/stylekqc.en-ko.derived.tsv.xz", f"kosp2e_id\tsplit\ten\tko\tsimilarity\tmargin\n{text}")
    assert list(stylekqc_paraphrases(tmp_path, "train")) == [
        Pair("Is it raining?", "비 오는지 봐주세요", "en", "ko"),
        Pair("Please see if it rains.", "비가 오나요", "en", "ko"),
    ]
    assert not list(stylekqc_paraphrases(tmp_path, "test"))


@pytest.mark.parametrize(("name", "file"), [("libreoffice-en-de", "libreoffice_help"), ("ui-en-de", "ui_strings")])
def test_training_strings_are_used_if_both_sides_say_something(
    write_xz: WriteXz, tmp_path: Path, name: str, file: str
) -> None:
    rows = 'Save "%s"\t"%s" sichern\nOK\tOK\n \tleer\nempty\t\nthree\tdrei\tmore\n'
    write_xz(f"parallel_en_ko_de/{file}.en-de.tsv.xz", rows)
    reader = data_set(name).read
    assert list(reader(tmp_path, "train")) == [
        Pair('Save "%s"', '"%s" sichern', "en", "de"),
        Pair("three", "drei", "en", "de"),
    ]
    assert list(reader(tmp_path, "dev")) == []
    assert list(reader(tmp_path, "test")) == []


def test_verses_pair_basic_english_with_the_language(write_xz: WriteXz, tmp_path: Path) -> None:
    rows = [
        "ref\tASV_en\tBBE_en\tKorRV_ko\tElb1905_de",
        "A 1:1\told one\tplain one\t하나\teins",
        "A 1:2\told two\tplain two\t둘\t",
        "A 1:3\told three\t\t셋\tdrei",
        "A 1:4\tshort row",
    ]
    write_xz("parallel_en_ko_de/bible_en_ko_de.tsv.xz", "\n".join(rows) + "\n")
    assert list(bible(tmp_path, "train", "ko")) == [
        Pair("plain one", "하나", "en", "ko"),
        Pair("plain two", "둘", "en", "ko"),
    ]
    assert list(bible(tmp_path, "train", "de")) == [Pair("plain one", "eins", "en", "de")]
    assert list(bible(tmp_path, "test", "ko")) == []


def test_a_pair_turned_twice_is_itself() -> None:
    pair = Pair("a boat", "ein Boot", "en", "de")
    assert reversed_pair(pair) == Pair("ein Boot", "a boat", "de", "en")
    assert reversed_pair(reversed_pair(pair)) == pair


def test_all_references_of_a_source_are_merged_in_order() -> None:
    pairs = [
        Pair("Go.", "Geh.", "en", "de"),
        Pair("Stay.", "Bleib.", "en", "de"),
        Pair("Go.", "Gehen Sie.", "en", "de"),
        Pair("Go.", "Geh.", "en", "de"),
        Pair("Go.", "가.", "en", "ko"),
    ]
    assert with_all_references(iter(pairs)) == [
        Pair("Go.", "Geh.", "en", "de", ("Geh.", "Gehen Sie.")),
        Pair("Stay.", "Bleib.", "en", "de", ("Bleib.",)),
        Pair("Go.", "가.", "en", "ko", ("가.",)),
    ]


def test_pairs_that_came_with_references_are_not_merged() -> None:
    """E-mails with one text and two subjects are two of AESLC's texts."""
    pairs = [
        Pair("See attached.", "Minutes", "en", "en", ("Minutes", "minutes of today")),
        Pair("See attached.", "Contract", "en", "en", ("Contract",)),
        Pair("See attached.", "Plan", "en", "en"),
    ]
    assert with_all_references(pairs) == [*pairs[:2], Pair("See attached.", "Plan", "en", "en", ("Plan",))]
