"""Word documents: what is found, how formatting goes with its words, and what is refused."""

import gc
import io
import re
import tracemalloc
import zipfile
from collections.abc import Callable
from typing import Any

import docx
import pytest
from docx.document import Document as OpenDocument
from docx.oxml import parse_xml
from docx.oxml.ns import nsdecls, qn

from rondo_services.documents import word
from rondo_services.documents.word import WordDocument, read_word_document
from rondo_services.errors import InvalidInput

FOOTNOTES = f"""<w:footnotes {nsdecls("w")}><w:footnote w:id="1"><w:p><w:r><w:t>A note.</w:t></w:r></w:p></w:footnote>
</w:footnotes>"""
FOOTNOTES_TYPE = "application/vnd.openxmlformats-officedocument.wordprocessingml.footnotes+xml"
FOOTNOTES_RELATION = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/footnotes"


def saved(document: OpenDocument) -> bytes:
    output = io.BytesIO()
    document.save(output)
    return output.getvalue()


def with_paragraph(content: str) -> bytes:
    """A document with one paragraph of this XML."""
    document = docx.Document()
    document.element.body.insert(0, parse_xml(f"<w:p {nsdecls('w')}>{content}</w:p>"))
    return saved(document)


def texts(read: WordDocument) -> list[str]:
    return [passage.text for passage in read.passages]


def upper(markup: str) -> str:
    return "".join(part if part.startswith("<") else part.upper() for part in re.split("(<[^>]*>)", markup))


def changed(data: bytes, change: Callable[[str], str] = upper) -> OpenDocument:
    read = read_word_document(data)
    return docx.Document(io.BytesIO(read.written([change(text) for text in texts(read)])))


def runs(paragraph: Any) -> list[tuple[str, bool, bool]]:
    return [(run.text, bool(run.bold), bool(run.italic)) for run in paragraph.runs]


def test_paragraphs_tables_headers_and_footers() -> None:
    document = docx.Document()
    document.add_heading("A title", 1)
    document.add_paragraph("42")
    table = document.add_table(1, 2)
    table.cell(0, 0).text = "A cell"
    table.cell(0, 1).add_table(1, 1).cell(0, 0).text = "An inner cell"
    document.sections[0].header.paragraphs[0].text = "A header"
    document.sections[0].footer.paragraphs[0].text = "A footer"
    own = changed(saved(document))
    assert [p.text for p in own.paragraphs] == ["A TITLE", "42"]
    assert own.paragraphs[0].style is not None
    assert own.paragraphs[0].style.name == "Heading 1"
    assert own.tables[0].cell(0, 0).text == "A CELL"
    assert own.tables[0].cell(0, 1).tables[0].cell(0, 0).text == "AN INNER CELL"
    assert own.sections[0].header.paragraphs[0].text == "A HEADER"
    assert own.sections[0].footer.paragraphs[0].text == "A FOOTER"


def test_footnotes() -> None:
    data, output = saved(docx.Document()), io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(output, "w") as new:
        for file in old.infolist():
            content = old.read(file).decode("utf-8", "surrogateescape")
            if file.filename == "[Content_Types].xml":
                override = f'<Override PartName="/word/footnotes.xml" ContentType="{FOOTNOTES_TYPE}"/></Types>'
                content = content.replace("</Types>", override)
            if file.filename == "word/_rels/document.xml.rels":
                relation = f'<Relationship Id="rId99" Type="{FOOTNOTES_RELATION}" Target="footnotes.xml"/>'
                content = content.replace("</Relationships>", relation + "</Relationships>")
            new.writestr(file, content.encode("utf-8", "surrogateescape"))
        new.writestr("word/footnotes.xml", FOOTNOTES)
    read = read_word_document(output.getvalue())
    assert texts(read) == ["A note."]
    with zipfile.ZipFile(io.BytesIO(read.written(["Eine Notiz."]))) as package:
        assert "Eine Notiz." in package.read("word/footnotes.xml").decode()


def test_what_looks_alike_has_no_tags() -> None:
    """Word cuts text into runs wherever it was edited or its spelling checked."""
    content = (
        '<w:r w:rsidR="1"><w:t xml:space="preserve">One </w:t></w:r><w:proofErr w:type="spellStart"/>'
        '<w:r><w:rPr><w:lang w:val="en-GB"/></w:rPr><w:t>sentence</w:t></w:r><w:r><w:t>.</w:t></w:r>'
    )
    assert texts(read_word_document(with_paragraph(content))) == ["One sentence."]


def test_formatting_goes_with_its_words() -> None:
    document = docx.Document()
    paragraph = document.add_paragraph("The ")
    paragraph.add_run("red").bold = True
    paragraph.add_run(" boat & ")
    paragraph.add_run("sea").italic = True
    data = saved(document)
    assert texts(read_word_document(data)) == ['The <g id="0">red</g> boat &amp; <g id="1">sea</g>']
    own = changed(data, lambda text: '<g id="1">바다</g>와 &lt;<g id="0">빨간</g>&gt; 배')
    assert runs(own.paragraphs[0]) == [
        ("바다", False, True),
        ("와 <", False, False),
        ("빨간", True, False),
        ("> 배", False, False),
    ]


def test_what_is_most_of_a_paragraph_has_no_tag() -> None:
    document = docx.Document()
    paragraph = document.add_paragraph("A ")
    paragraph.add_run("long bold text").bold = True
    assert texts(read_word_document(saved(document))) == ['<g id="0">A </g>long bold text']


def test_tabs_breaks_and_objects_stay() -> None:
    content = (
        "<w:r><w:t>Name</w:t><w:tab/><w:t>Value</w:t></w:r><w:bookmarkStart w:id='0' w:name='here'/>"
        "<w:r><w:t>more</w:t><w:footnoteReference w:id='1'/><w:br/><w:t>lines</w:t></w:r>"
    )
    data = with_paragraph(content)
    assert texts(read_word_document(data)) == ['Name<hr id="0"/>Value<x id="1"/>more<x id="2"/><br id="3"/>lines']
    own = changed(data).paragraphs[0]
    assert own.text == "NAME\tVALUEMORE\nLINES"
    kinds = [
        element.tag for element in own._p.iter() if element.tag in map(qn, ("w:footnoteReference", "w:bookmarkStart"))
    ]
    assert kinds == [qn("w:bookmarkStart"), qn("w:footnoteReference")]


def test_links_stay_around_their_text() -> None:
    content = (
        "<w:r><w:t xml:space='preserve'>See </w:t></w:r>"
        "<w:hyperlink w:anchor='a'><w:r><w:rPr><w:u w:val='single'/></w:rPr><w:t>this page</w:t></w:r></w:hyperlink>"
        "<w:r><w:t>.</w:t></w:r>"
    )
    own = changed(with_paragraph(content), lambda text: '<g id="0">diese Seite</g> ansehen.').paragraphs[0]
    assert [link.text for link in own.hyperlinks] == ["diese Seite"]
    assert own.hyperlinks[0].runs[0].underline
    assert own.text == "diese Seite ansehen."


def test_fields_and_deleted_text_stay_as_they_are() -> None:
    content = (
        "<w:r><w:t xml:space='preserve'>Page </w:t></w:r>"
        "<w:r><w:fldChar w:fldCharType='begin'/></w:r><w:r><w:instrText>PAGE</w:instrText></w:r>"
        "<w:r><w:fldChar w:fldCharType='separate'/></w:r><w:r><w:t>one</w:t></w:r>"
        "<w:r><w:fldChar w:fldCharType='end'/></w:r>"
        "<w:del w:id='1'><w:r><w:delText>gone</w:delText></w:r></w:del>"
        "<w:ins w:id='2'><w:r><w:t>new</w:t></w:r></w:ins>"
    )
    data = with_paragraph(content)
    assert texts(read_word_document(data)) == ['Page <x id="0" translate="no"></x><x id="1"/><g id="2">new</g>']
    xml = changed(data).paragraphs[0]._p.xml
    assert [text for _, text in re.findall(r"<w:(t|instrText|delText)\b[^>]*>([^<]*)<", xml)] == [
        "PAGE ", "PAGE", "one", "gone", "NEW",
    ]  # fmt: skip


def test_fields_are_words_that_go_where_the_translation_has_them() -> None:
    """As tags, of which the model sees nothing, they were put anywhere: "Page 3 of 9" became "Von Seite39"."""
    number = (
        _mark("begin") + "<w:r><w:instrText>PAGE</w:instrText></w:r>" + _mark("separate") + "<w:r><w:t>3</w:t></w:r>"
    )
    content = (
        "<w:r><w:t xml:space='preserve'>Page </w:t></w:r>" + number + _mark("end") +
        "<w:r><w:t xml:space='preserve'> of </w:t></w:r>"
        "<w:fldSimple w:instr='NUMPAGES'><w:r><w:t>9</w:t></w:r></w:fldSimple><w:fldSimple w:instr='XE'/>"
    )  # fmt: skip
    data = with_paragraph(content)
    (markup,) = texts(read_word_document(data))
    assert markup == 'Page <x id="0" translate="no"></x> of <x id="1" translate="no"></x><x id="2"/>'
    first, second = (f'<x id="{number}" translate="no"></x>' for number in range(2))
    own = changed(data, lambda text: f'<x id="2"/>{second} Seiten, davon {first}.').paragraphs[0]
    seen = re.findall(r"<w:(?:t|instrText)\b[^>]*>([^<]*)<", own._p.xml)
    assert seen == ["9", " Seiten, davon ", "PAGE", "3", "."]


def test_formulas_are_words() -> None:
    formula = f"<m:oMath {nsdecls('m')}><m:r><m:t>x</m:t></m:r></m:oMath>"
    data = with_paragraph(
        "<w:r><w:t xml:space='preserve'>Let </w:t></w:r>" + formula + "<w:r><w:t> be one.</w:t></w:r>"
    )
    assert texts(read_word_document(data)) == ['Let <x id="0" translate="no"></x> be one.']
    assert "<m:t>x</m:t>" in changed(data).paragraphs[0]._p.xml


def test_a_paragraph_with_nothing_but_fields_is_no_passage() -> None:
    field = "<w:fldSimple w:instr='TITLE'><w:r><w:t>Boats</w:t></w:r></w:fldSimple>"
    assert texts(read_word_document(with_paragraph(field))) == []


def _mark(kind: str) -> str:
    return f"<w:r><w:fldChar w:fldCharType='{kind}'/></w:r>"


def with_paragraphs(*contents: str) -> bytes:
    document = docx.Document()
    for place, content in enumerate(contents):
        document.element.body.insert(place, parse_xml(f"<w:p {nsdecls('w')}>{content}</w:p>"))
    return saved(document)


def test_a_table_of_contents_stays_as_it_is() -> None:
    entry = "<w:hyperlink w:anchor='a'><w:r><w:t>{}</w:t></w:r>" + _mark("begin") + _mark("end") + "</w:hyperlink>"
    data = with_paragraphs(
        _mark("begin") + _mark("separate") + entry.format("One"),
        "<w:pPr><w:jc w:val='center'/></w:pPr>" + entry.format("Two"),
        _mark("end") + "<w:r><w:t>behind it</w:t></w:r>",
        "<w:r><w:t>One</w:t></w:r>",
    )
    assert texts(read_word_document(data)) == ['<x id="0"/>behind it', "One"]
    own = changed(data)
    assert [p.text for p in own.paragraphs] == ["One", "Two", "BEHIND IT", "ONE"]
    assert own.paragraphs[1].alignment is not None


def test_a_field_without_an_end_ends_with_its_paragraph() -> None:
    data = with_paragraphs(_mark("begin") + "<w:r><w:t>a</w:t></w:r>", "<w:r><w:t>b</w:t></w:r>")
    assert texts(read_word_document(data)) == ["b"]


def test_an_end_without_a_field_changes_nothing() -> None:
    data = with_paragraphs(_mark("end") + "<w:r><w:t>a</w:t></w:r>", "<w:r><w:t>b</w:t></w:r>")
    assert texts(read_word_document(data)) == ['<x id="0"/>a', "b"]


@pytest.mark.parametrize(("space", "expected"), [("", "A\nB"), (" ", "A\n B")])
def test_a_line_begins_with_a_space_only_if_it_did(space: str, expected: str) -> None:
    """As a sentence of its own, what follows a line break is set apart by a space."""
    data = with_paragraph(f"<w:r><w:t>a</w:t><w:br/><w:t xml:space='preserve'>{space}b</w:t></w:r>")
    own = changed(data, lambda text: re.sub(r"(<br[^>]*>) ?", r"\1 ", text).upper().replace("BR ID", "br id"))
    assert own.paragraphs[0].text == expected


def test_text_boxes() -> None:
    box = "<w:pict><w:txbxContent><w:p><w:r><w:t>In a box</w:t></w:r></w:p></w:txbxContent></w:pict>"
    data = with_paragraph(f"<w:r><w:t>Beside it</w:t>{box}</w:r>")
    assert texts(read_word_document(data)) == ['Beside it<x id="0"/>', "In a box"]
    assert "IN A BOX" in changed(data).paragraphs[0]._p.xml


def test_a_document_that_is_not_translated_is_not_changed() -> None:
    """Reading once took the objects of paragraphs without letters out of their runs."""
    data = with_paragraph("<w:r><w:t>1</w:t><w:tab/><w:t>2</w:t></w:r>")
    assert changed(data).paragraphs[0].text == "1\t2"


def test_other_tags_than_those_of_the_source_are_an_error() -> None:
    document = docx.Document()
    document.add_paragraph("The ").add_run("red boat").bold = True
    with pytest.raises(ValueError, match="has not the tags"):
        changed(saved(document), lambda text: "Das rote Boot")


def test_control_characters_are_not_written() -> None:
    document = docx.Document()
    document.add_paragraph("text")
    assert changed(saved(document), lambda text: "a\x00b\ud800c").paragraphs[0].text == "abc"


def package(content: bytes, name: str = "word/document.xml", method: int = zipfile.ZIP_DEFLATED) -> bytes:
    output = io.BytesIO()
    with zipfile.ZipFile(output, "w", method) as opened:
        opened.writestr(name, content)
    return output.getvalue()


def bomb(num_bytes: int, name: str = "word/document.xml") -> bytes:
    return package(b"<" + b"\0" * (num_bytes - 1), name)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"no zip at all", "no Word document"),
        (b"PK\x03\x04 broken", "no Word document"),
        (bomb(10), "no Word document"),
        (bomb(word.MOST_XML_BYTES + 1), "8000001 bytes of XML once unpacked; at most 8000000"),
        (bomb(word.MOST_XML_BYTES + 1, "word/document.bin"), "8000001 bytes of XML once unpacked; at most 8000000"),
        (
            package(b"\0" * (word.MOST_UNPACKED_BYTES + 1), "image.png"),
            "32000001 bytes once unpacked; at most 32000000",
        ),
        (package(b"<a/>", method=zipfile.ZIP_BZIP2), "another method than deflate"),
    ],
    ids=["text", "broken", "empty", "XML bomb", "XML by another name", "bomb", "bzip2"],
)
def test_what_cannot_be_read_is_refused(data: bytes, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        read_word_document(data)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be", "utf-32", "cp500"])
def test_xml_is_counted_in_any_encoding(encoding: str) -> None:
    xml = 9999 * " " + "<a/>" if encoding.startswith("utf-8") else '<?xml version="1.0"?><a/>'
    content = xml.encode(encoding) + b"\0" * word.MOST_XML_BYTES
    with pytest.raises(InvalidInput, match="bytes of XML once unpacked"):
        read_word_document(package(content, "data.bin"))


def test_a_part_that_is_larger_than_it_says_is_not_unpacked() -> None:
    """It was, as a whole: 400 kB became 400 MB."""
    data = bytearray(package(b"\0" * 200_000_000, "image.png"))
    entry = data.rindex(b"PK\x01\x02")
    data[entry + 24 : entry + 28] = (1000).to_bytes(4, "little")
    tracemalloc.start()
    try:
        with pytest.raises(InvalidInput, match="no Word document: Bad CRC-32"):
            read_word_document(bytes(data))
        assert tracemalloc.get_traced_memory()[1] < 20_000_000
    finally:
        tracemalloc.stop()


def test_entities_are_refused() -> None:
    """Whether they name a file or each other."""
    data, output = saved(docx.Document()), io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(output, "w") as new:
        for file in old.infolist():
            content = old.read(file)
            if file.filename == "word/document.xml":
                dtd = b'<!DOCTYPE d [<!ENTITY e SYSTEM "file:///etc/passwd"><!ENTITY a "&e;&e;">]>'
                content = content.replace(b"<w:document", dtd + b"<w:document", 1)
            new.writestr(file, content)
    with pytest.raises(InvalidInput, match="has a DTD"):
        read_word_document(output.getvalue())


def test_too_many_parts_are_refused() -> None:
    output = io.BytesIO()
    with zipfile.ZipFile(output, "w") as package:
        for number in range(word.MOST_FILES + 1):
            package.writestr(str(number), b"")
    with pytest.raises(InvalidInput, match="4001 parts"):
        read_word_document(output.getvalue())


@pytest.mark.parametrize("element", [b"<w:p/>", b'<w:p w:a=""/>', b"<w:p></w:p>"])
def test_too_many_elements_and_attributes_are_refused(element: bytes) -> None:
    """Of a file of 47 KB the server took 722 MB."""
    with pytest.raises(InvalidInput, match=r"\d+ elements and attributes; at most 300000"):
        read_word_document(package(b"<w:body>" + element * word.MOST_XML_MARKS + b"</w:body>"))


@pytest.mark.parametrize("head", ["<?xml version='1.0' encoding='utf-7'?>", '<?xml encoding = "ISO-2022-JP" ?>'])
def test_xml_in_which_elements_cannot_be_counted_is_refused(head: str) -> None:
    with pytest.raises(InvalidInput, match="another encoding than UTF-8 or UTF-16"):
        read_word_document(package(head.encode() + b"+ADw-w:p/+AD4-"))


@pytest.mark.parametrize("encoding", ["UTF-8", "utf-16", "us-ascii", "windows-1252"])
def test_xml_in_which_elements_can_be_counted_is_read(encoding: str) -> None:
    data, output = saved(docx.Document()), io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(output, "w") as new:
        for file in old.infolist():
            content = old.read(file)
            if file.filename == "word/document.xml":
                content = content.replace(b"UTF-8", encoding.encode(), 1).decode().encode(encoding)
            new.writestr(file, content)
    assert texts(read_word_document(output.getvalue())) == []


def test_little_is_kept_of_a_paragraph() -> None:
    """All elements of all paragraphs were, as objects of Python."""
    data = with_paragraph(("<w:r><w:t>a</w:t></w:r><w:r><w:rPr><w:b/></w:rPr><w:t>b</w:t></w:r>") * 300)
    tracemalloc.start()
    try:
        read = read_word_document(data)
        gc.collect()
        assert len(read.passages) == 1
        kept = tracemalloc.take_snapshot().filter_traces([tracemalloc.Filter(True, "*/documents/*")])
        assert sum(own.size for own in kept.statistics("filename")) < 50_000
    finally:
        tracemalloc.stop()
