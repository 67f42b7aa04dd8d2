import pytest

from rondo_services.documents.catalog import Catalog
from rondo_services.documents.formats import EXTENSIONS, extension_of, read_document
from rondo_services.documents.page import Page
from rondo_services.documents.plain import PlainText
from rondo_services.documents.subtitles import Subtitles
from rondo_services.errors import InvalidInput


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.txt", PlainText),
        ("A.B.TXT", PlainText),
        ("a.srt", Subtitles),
        ("a.htm", Page),
        ("a.html", Page),
        ("a.po", Catalog),
    ],
)
def test_the_name_tells_the_kind(name: str, kind: type) -> None:
    assert isinstance(read_document(name, b""), kind)


@pytest.mark.parametrize("name", ["a.exe", "txt", "", ".txt", "a.txt/b"])
def test_another_kind_is_refused_with_those_that_there_are(name: str) -> None:
    with pytest.raises(InvalidInput, match=r"not supported.*\.txt, \.srt, \.html, \.htm, \.po, \.docx"):
        extension_of(name)


def test_overwriting_is_for_catalogues() -> None:
    entry = b'msgid "a"\nmsgstr "b"\n'
    assert len(read_document("a.po", entry, overwrite=True).passages) == 1
    assert len(read_document("a.po", entry).passages) == 0
    for extension in EXTENSIONS:
        if extension != ".po":
            with pytest.raises(InvalidInput, match=r"only for \.po"):
                read_document(f"a{extension}", b"", overwrite=True)
