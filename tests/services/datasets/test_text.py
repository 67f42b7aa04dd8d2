from collections.abc import Callable, Mapping
from pathlib import Path

from rondo_services.datasets.examples import SPLITS, Document
from rondo_services.datasets.text import novels, num_words_with_eos, sae4k, wikitext2

WIKI = " \n = A pond = \n \n The pond is <unk> , and 3 @,@ 000 frogs live there . \n They sing . \n"


def test_wikitext_is_one_document_without_outer_spaces(write_xz: Callable[[str, str], Path], tmp_path: Path) -> None:
    write_xz("wikitext2/wiki.valid.tokens.xz", WIKI)
    (document,) = wikitext2(tmp_path, "dev")
    assert document.language == "en"
    assert document.lines == (
        "",
        "= A pond =",
        "",
        "The pond is <unk> , and 3 @,@ 000 frogs live there .",
        "They sing .",
    )


def test_words_are_counted_with_one_end_a_line(write_xz: Callable[[str, str], Path], tmp_path: Path) -> None:
    write_xz("wikitext2/wiki.test.tokens.xz", WIKI)
    (document,) = wikitext2(tmp_path, "test")
    assert num_words_with_eos(document) == len(WIKI.replace("\n", "<eos>").split())
    assert num_words_with_eos(document) == 4 + 13 + 3 + 5


def test_each_split_of_wikitext_has_its_file(write_xz: Callable[[str, str], Path], tmp_path: Path) -> None:
    for name in ("train.shuffled-articles", "valid", "test"):
        write_xz(f"wikitext2/wiki.{name}.tokens.xz", f" {name} \n")
    assert [next(wikitext2(tmp_path, split)).lines for split in SPLITS] == [
        ("train.shuffled-articles",),
        ("valid",),
        ("test",),
    ]


def test_korean_questions_come_without_their_noun_phrases(tmp_path: Path) -> None:
    (tmp_path / "sae4k").mkdir()
    rows = "\ufeff오늘 비 와?\t오늘 비 오는지\t0\n 불 꺼줘 \t불 끄기\t4\n"
    (tmp_path / "sae4k" / "sae4k_v1.txt").write_text(rows, encoding="utf-8")
    assert list(sae4k(tmp_path, "train")) == [Document(("오늘 비 와?", "불 꺼줘"), "ko")]
    assert not list(sae4k(tmp_path, "dev"))


def test_words_of_an_empty_document() -> None:
    assert num_words_with_eos(Document((), "en")) == 0
    assert num_words_with_eos(Document(("",), "en")) == 1


def _novel(number: int) -> str:
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<TEI xmlns="http://www.tei-c.org/ns/1.0">
  <teiHeader><fileDesc><p>No part of the novel.</p></fileDesc></teiHeader>
  <text><!-- a remark --><body>
    <head>Kapitel {number}</head>
    <p>Es war <hi>einmal</hi>
       ein   Reiher.</p>
    <p> </p>
    <lg><l>Er sang &amp; flog.</l></lg>
  </body></text>
</TEI>"""


def test_novels_are_documents_and_every_25th_is_held_out(
    write_tar: Callable[[str, Mapping[str, str]], Path], tmp_path: Path
) -> None:
    members = {"ELTeC-deu/README.md": "no novel"}
    members.update({f"ELTeC-deu/level1/DEU{number:03}.xml": _novel(number) for number in range(1, 28)})
    write_tar("novels/ELTeC-deu.level1.tar.xz", members)
    found = {split: list(novels(tmp_path, split, "de")) for split in SPLITS}
    assert [document.lines[0] for document in found["dev"]] == ["Kapitel 25"]
    assert [document.lines[0] for document in found["test"]] == ["Kapitel 1", "Kapitel 26"]
    assert len(found["train"]) == 24
    assert found["dev"] == [Document(("Kapitel 25", "Es war einmal ein Reiher.", "Er sang & flog."), "de")]


def test_a_file_without_text_is_passed_over(
    write_tar: Callable[[str, Mapping[str, str]], Path], tmp_path: Path
) -> None:
    empty = '<TEI xmlns="http://www.tei-c.org/ns/1.0"><teiHeader/></TEI>'
    write_tar("novels/ELTeC-eng.level1.tar.xz", {"a.xml": _novel(1), "b.xml": empty, "c.xml": _novel(3)})
    assert [document.lines[0] for document in novels(tmp_path, "train", "en")] == ["Kapitel 3"]
