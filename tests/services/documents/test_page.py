"""HTML files: what is not text stays to the byte."""

import pytest

from rondo_services.documents.page import read_page
from rondo_services.errors import InvalidInput

FILE = """\
<!DOCTYPE html>
<html><head><meta charset="utf-8"><title>A title</title><style>p { color: red }</style></head>
<body class=x><p>Some <b>bold</b> text &amp; more.<p>Another</body></html>
"""


def test_only_text_changes() -> None:
    page = read_page(FILE.encode())
    assert all(passage.format == "html" for passage in page.passages)
    written = page.written([passage.text.replace("o", "0") for passage in page.passages])
    expected = FILE.replace("Some <b>bold</b> text &amp; more", "S0me <b>b0ld</b> text &amp; m0re")
    assert written.decode() == expected.replace("<p>Another", "<p>An0ther")


def test_a_page_that_says_it_is_not_utf_8_is_refused() -> None:
    with pytest.raises(InvalidInput, match="iso-8859-1"):
        read_page(FILE.replace("utf-8", "ISO-8859-1").encode())


def test_a_paragraph_that_is_too_long_is_refused() -> None:
    with pytest.raises(InvalidInput, match="longer than"):
        read_page(b"<p>" + b"word " * 5000)
