import gzip
from collections.abc import Mapping
from pathlib import Path

import pytest

from rondo_services.datasets.catalog import data_set
from rondo_services.datasets.examples import Document, Pair

CAPTIONS = {
    "task1/train.en": "Two dogs run.\n A man \n",
    "task1/train.de": "Zwei Hunde rennen.\nEin Mann\t\n",
    "task1/train.fr": "Deux chiens courent.\n Un homme\t\n",
    "task1/val.en": "A red ball.\n",
    "task1/val.de": "Ein roter Ball.\n",
    "task1/val.fr": "Une balle rouge.\n",
    "task1/test_2016_flickr.en": "A boat.\n",
    "task1/test_2016_flickr.de": "Ein Boot.\n",
    "task1/test_2016_flickr.fr": "Un bateau.\n",
    "task1/test_2017_flickr.en": "A lake.\n",
    "task1/test_2017_flickr.de": "Ein See.\n",
    "task1/test_2017_flickr.fr": "Un lac.\n",
    **{f"task2/train.{number}.de": f"Ein Hund, Nummer {number}\n" for number in range(1, 6)},
}


def _write(root: Path, captions: Mapping[str, str]) -> None:
    for name, text in captions.items():
        path = root / "multi30k" / f"{name}.gz"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(gzip.compress(text.encode()))


def test_task_1_pairs_the_lines_of_two_files(tmp_path: Path) -> None:
    _write(tmp_path, CAPTIONS)
    read = data_set("multi30k-en-de").read
    assert list(read(tmp_path, "train")) == [
        Pair("Two dogs run.", "Zwei Hunde rennen.", "en", "de"),
        Pair("A man", "Ein Mann", "en", "de"),
    ]
    assert list(read(tmp_path, "dev")) == [Pair("A red ball.", "Ein roter Ball.", "en", "de")]
    assert list(read(tmp_path, "test")) == [Pair("A boat.", "Ein Boot.", "en", "de")]


def test_french_captions_are_of_the_same_photographs(tmp_path: Path) -> None:
    _write(tmp_path, CAPTIONS)
    read = data_set("multi30k-en-fr").read
    assert list(read(tmp_path, "train")) == [
        Pair("Two dogs run.", "Deux chiens courent.", "en", "fr"),
        Pair("A man", "Un homme", "en", "fr"),
    ]
    assert list(read(tmp_path, "dev")) == [Pair("A red ball.", "Une balle rouge.", "en", "fr")]
    assert list(read(tmp_path, "test")) == [Pair("A boat.", "Un bateau.", "en", "fr")]
    later = data_set("multi30k-2017-en-fr").read
    assert list(later(tmp_path, "test")) == [Pair("A lake.", "Un lac.", "en", "fr")]
    assert not list(later(tmp_path, "train"))


def test_the_test_of_2017_is_a_set_of_its_own(tmp_path: Path) -> None:
    _write(tmp_path, CAPTIONS)
    read = data_set("multi30k-2017-en-de").read
    assert list(read(tmp_path, "test")) == [Pair("A lake.", "Ein See.", "en", "de")]
    assert not list(read(tmp_path, "train"))
    assert not list(read(tmp_path, "dev"))


def test_files_of_unlike_length_are_not_paired(tmp_path: Path) -> None:
    _write(tmp_path, {**CAPTIONS, "task1/val.de": "Ein roter Ball.\nZu viel.\n"})
    with pytest.raises(ValueError, match="longer than"):
        list(data_set("multi30k-en-de").read(tmp_path, "dev"))


def test_task_2_has_five_descriptions_of_each_photograph_to_train_on(tmp_path: Path) -> None:
    _write(tmp_path, CAPTIONS)
    read = data_set("multi30k-de").read
    assert list(read(tmp_path, "train")) == [Document((f"Ein Hund, Nummer {n}",), "de") for n in range(1, 6)]
    assert not list(read(tmp_path, "dev"))


@pytest.mark.parametrize(
    ("name", "apart"),
    [
        ("multi30k-en-de", {"multi30k-2017-en-de"}),
        ("multi30k-en-fr", {"multi30k-2017-en-fr"}),
        ("multi30k-en", {"multi30k-en-de", "multi30k-2017-en-de"}),
        ("multi30k-de", {"multi30k-en-de", "multi30k-2017-en-de"}),
    ],
)
def test_captions_are_for_research_and_keep_all_tests_apart(name: str, apart: set[str]) -> None:
    known = data_set(name)
    assert known.ships == "no"
    assert set(known.kept_apart) == apart
