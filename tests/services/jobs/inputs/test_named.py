import lzma
from pathlib import Path
from typing import Any

import pytest

from rondo_services.errors import InvalidInput
from rondo_services.jobs.inputs import open_input
from rondo_services.jobs.items import BadItem, Item
from rondo_services.jobs.spec import JobInput


@pytest.fixture
def root(tmp_path: Path) -> Path:
    def write(name: str, text: str) -> None:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(lzma.compress(text.encode(), preset=0))

    write("nsmc/ratings_test.txt.xz", "id\tdocument\tlabel\n1\t좋다\t1\n2\t\t0\n")
    write("tatoeba/eng-deu.test.tsv.xz", "Hi.\tHallo.\nRun!\tLauf!\nHi.\tGrüß Gott.\nHello.\tHallo.\n")
    write("wikitext2/wiki.test.tokens.xz", " = Title = \n\n one two \n")
    write("parallel_en_ko_de/ui_strings.en-de.tsv.xz", "a\tb\n")
    return tmp_path


def read(root: Path | None, source: str, **told: Any) -> list[Item | BadItem]:
    return list(open_input(JobInput(source=source, **told), root=root))


def test_labelled_texts(root: Path) -> None:
    assert read(root, "data:nsmc/test") == [
        Item(0, 1, "좋다", ("positive",), language="ko"),
        Item(1, 2, "", ("negative",), language="ko"),
    ]


def test_pairs_have_all_references_of_their_source_in_either_direction(root: Path) -> None:
    assert read(root, "data:tatoeba-en-de/test") == [
        Item(0, 1, "Hi.", ("Hallo.", "Grüß Gott."), language="en"),
        Item(1, 2, "Run!", ("Lauf!",), language="en"),
        Item(2, 3, "Hello.", ("Hallo.",), language="en"),
    ]
    assert read(root, "data:tatoeba-en-de/test", direction="backward", limit=2) == [
        Item(0, 1, "Hallo.", ("Hi.", "Hello."), language="de"),
        Item(1, 2, "Lauf!", ("Run!",), language="de"),
    ]


def test_a_running_text_is_one_record_with_its_lines(root: Path) -> None:
    assert read(root, "data:wikitext2/test") == [Item(0, 1, "= Title =\n\none two", language="en")]


def test_texts_with_labels_of_their_words_are_texts(tmp_path: Path) -> None:
    (tmp_path / "sentence_compression").mkdir()
    path = tmp_path / "sentence_compression" / "test.conll"
    path.write_text("A\tB-DEL\nboat\tB-DEL\n.\t0\n\nIt\t0\n", encoding="utf-8")
    assert read(tmp_path, "data:sentence-compression/test") == [
        Item(0, 1, "A boat.", language="en"),
        Item(1, 2, "It", language="en"),
    ]


@pytest.mark.parametrize(
    ("source", "told", "message"),
    [
        ("data:nsms/test", {}, "unknown data set 'nsms'; known are nsmc, "),
        ("data:nsmc", {}, "data:nsmc: the split is missing; write data:nsmc/ and one of train, dev, test"),
        ("data:nsmc/valid", {}, "data:nsmc/valid: 'valid' is no split"),
        ("data:sst2/test", {}, "data:sst2/test: .* is missing"),
        ("data:ui-en-de/test", {}, "ui-en-de has no test split"),
        ("data:nsmc/test", {"direction": "backward"}, "data:nsmc/test: only pairs have a backward direction"),
        ("data:nsmc/test", {"expected": "label"}, "data:nsmc/test: a named data set knows its own expected"),
        ("data:nsmc/test", {"format": "text"}, "data:nsmc/test: a named data set knows its own format"),
    ],
)
def test_what_there_is_not(source: str, told: dict[str, Any], message: str, root: Path) -> None:
    with pytest.raises(InvalidInput, match=f"^{message}"):
        read(root, source, **told)


def test_without_a_folder_it_is_said_how_to_name_one() -> None:
    with pytest.raises(InvalidInput, match="set RONDO_DATA to the folder"):
        read(None, "data:nsmc/test")
