"""HTML files: what is not text stays to the byte."""

import pytest

from rondo_services.documents.page import MOST_MARKS, read_page
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
    with pytest.raises(InvalidInput, match="more than 20000 characters of text"):
        read_page(b"<p>" + b"word " * 5000)


def test_tags_do_not_count_as_text_and_long_ones_have_stand_ins() -> None:
    """Pages with images in them were refused; and no request takes a text of more than 200,000 characters."""
    image = f'<img alt="" src="data:image/png;base64,{"A" * 300_000}">'
    drawn = f'<kbd style="{"x" * 500}">Esc</kbd>'
    file = f"<p>See {image} and <i title='{'t' * 500}'>this</i>, <!--{'c' * 500}-->or press {drawn}.</p>"
    page = read_page(file.encode())
    (passage,) = page.passages
    assert len(passage.text) < 300
    assert "See <img rondo" in passage.text
    assert page.written([passage.text]).decode() == file
    assert page.written([passage.text.replace("See", "Siehe")]).decode() == file.replace("See", "Siehe")


def test_a_stand_in_is_nothing_that_is_in_the_paragraph() -> None:
    file = f'<p>Press <a rondo="0" rondo-="1">here</a> or <a href="{"x" * 500}">there</a></p>'
    page = read_page(file.encode())
    assert page.written([page.passages[0].text]).decode() == file


@pytest.mark.parametrize("filling", ["<p>a", "a&lt;"])
def test_a_page_with_too_many_tags_is_refused(filling: str) -> None:
    """Of 6 MB of `<p>a` the server took 1.1 GB."""
    with pytest.raises(InvalidInput, match="300001 tags and character references; at most 300000"):
        read_page((filling * (MOST_MARKS + 1)).encode())


LATIN_1 = '<meta charset="iso-8859-1">'


@pytest.mark.parametrize(
    "head",
    [
        f"<!-- {LATIN_1} -->",
        f"<!-->{'<!--'}{LATIN_1}-->",
        f"<script>write('{LATIN_1}')</script>",
        '<meta name="description" content="what charset=iso-8859-1 is">',
        f'<meta charset="utf-8">{LATIN_1}',
        '<meta http-equiv="Content-Type" content="text/html; charset=UTF-8">',
        "<meta charset=utf-8>",
    ],
)
def test_an_encoding_is_declared_by_an_element_only(head: str) -> None:
    assert len(read_page(f"{head}<p>grün".encode()).passages) == 1


@pytest.mark.parametrize(
    "head",
    [
        f'<!-- <meta charset="utf-8"> -->{LATIN_1}',
        f'<script>"<meta charset=utf-8>"</script>{LATIN_1}',
        '<META content="text/html;charset=ISO-8859-1" HTTP-EQUIV=content-type>',
        '<meta name="a>b" charset=iso-8859-1>',
    ],
)
def test_an_encoding_that_is_declared_is_seen(head: str) -> None:
    with pytest.raises(InvalidInput, match="iso-8859-1"):
        read_page(f"{head}<p>gruen".encode())


def test_a_byte_order_mark_counts_for_more_than_what_a_page_declares() -> None:
    assert len(read_page(("\ufeff" + LATIN_1 + "<p>grün").encode()).passages) == 1
