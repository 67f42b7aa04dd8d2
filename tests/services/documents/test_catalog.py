"""gettext catalogues: only what has no translation changes."""

from pathlib import Path

import polib
import pytest

from rondo_services.documents.catalog import MOST_LINES, read_catalog
from rondo_services.documents.catalog_entries import read_entries
from rondo_services.errors import InvalidInput

FILE = r"""# A catalogue.
msgid ""
msgstr ""
"Content-Type: text/plain; charset=UTF-8\n"
"Plural-Forms: nplurals=2; plural=(n != 1);\n"

#. For the button.
#: src/a.c:12
#, c-format
msgctxt "menu"
msgid   "Open %s"
msgstr ""

msgid ""
"Two lines\n"
"and \"quotes\"\n"
msgstr ""

#: src/b.c:1
msgid "Done"
msgstr "Fertig"

#, fuzzy
#| msgid "Clos"
msgid "Close"
msgstr ""

#, fuzzy
msgid "Guess"
msgstr "Geraten"

msgid "%d file"
msgid_plural "%d files"
msgstr[0] ""
msgstr[1] ""

#~ msgid "Old"
#~ msgstr ""
"""
FILLED = (
    FILE.replace("#, c-format", "#, fuzzy, c-format")
    .replace('msgid   "Open %s"\nmsgstr ""', 'msgid   "Open %s"\nmsgstr "OPEN %S"')
    .replace(
        'msgid ""\n"Two lines\\n"\n"and \\"quotes\\"\\n"\nmsgstr ""',
        '#, fuzzy\nmsgid ""\n"Two lines\\n"\n"and \\"quotes\\"\\n"\nmsgstr ""\n"TWO LINES\\n"\n"AND \\"QUOTES\\"\\n"',
    )
    .replace('msgid "Close"\nmsgstr ""', 'msgid "Close"\nmsgstr "CLOSE"')
    .replace(
        'msgid "%d file"\nmsgid_plural "%d files"\nmsgstr[0] ""\nmsgstr[1] ""',
        '#, fuzzy\nmsgid "%d file"\nmsgid_plural "%d files"\nmsgstr[0] "%D FILE"\nmsgstr[1] "%D FILES"',
    )
)


def translated(data: bytes, *, overwrite: bool = False) -> bytes:
    catalog = read_catalog(data, overwrite=overwrite)
    return catalog.written([passage.text.upper() for passage in catalog.passages])


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_all_other_bytes_stay(line_end: str, mark: str) -> None:
    data = (mark + FILE.replace("\n", line_end)).encode()
    assert translated(data).decode() == mark + FILLED.replace("\n", line_end)


def test_another_reader_sees_the_translations() -> None:
    found = polib.pofile(translated(FILE.encode()).decode())
    assert {entry.msgid: entry.msgstr for entry in found if not entry.msgid_plural and not entry.obsolete} == {
        "Open %s": "OPEN %S",
        'Two lines\nand "quotes"\n': 'TWO LINES\nAND "QUOTES"\n',
        "Done": "Fertig",
        "Close": "CLOSE",
        "Guess": "Geraten",
    }
    assert [entry.msgid for entry in found if "fuzzy" not in entry.flags] == ["Done", "Old"]
    assert found.find("Open %s").msgctxt == "menu"


def test_all_are_translated_anew_if_asked() -> None:
    found = polib.pofile(translated(FILE.encode(), overwrite=True).decode())
    assert {entry.msgid: entry.msgstr for entry in found if entry.msgid in ("Done", "Guess", "Old")} == {
        "Done": "DONE",
        "Guess": "GUESS",
        "Old": "",
    }


def test_one_plural_form_is_the_plural() -> None:
    file = 'msgid "%d file"\nmsgid_plural "%d files"\nmsgstr[0] ""\n'
    assert translated(file.encode()) == b"#, fuzzy\n" + file.replace('[0] ""', '[0] "%D FILES"').encode()


def test_a_translation_is_escaped() -> None:
    catalog = read_catalog(b'msgid "a"\nmsgstr ""\n', overwrite=False)
    data = catalog.written(['a "b"\\\n'])
    (entry,) = polib.pofile(data.decode())
    assert entry.msgstr == 'a "b"\\\n'


def test_a_name_of_a_file_is_not_opened(tmp_path: Path) -> None:
    """polib takes a text that is the name of a file for that file."""
    secret = tmp_path / "secret.po"
    secret.write_text('msgid "secret"\nmsgstr ""\n')
    with pytest.raises(InvalidInput, match="no gettext"):
        read_catalog(str(secret).encode(), overwrite=False)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b'msgid "a\nmsgstr ""\n"b" c', "no gettext"),
        (b"hello", r"no gettext .*\(line 1\)"),
        (b'msgid ""\nmsgstr "Content-Type: text/plain; charset=ISO-8859-1\\n"\n', "iso-8859-1; convert"),
    ],
)
def test_what_cannot_be_read_is_refused(data: bytes, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        read_catalog(data, overwrite=False)


@pytest.mark.parametrize("line", ['"a"\n', "# a\n", "#. a\n", "#| a\n"])
def test_many_lines_take_no_longer_each(line: str) -> None:
    """They took a time that grew with their square, and files with more than 10,000 in a row were refused."""
    file = 'msgid "b"\n' + line * 15_000 + 'msgstr ""\n'
    assert len(read_catalog(file.encode(), overwrite=False).passages) == 1


def test_a_file_with_too_many_lines_is_refused() -> None:
    with pytest.raises(InvalidInput, match="400001 line breaks; at most 400000"):
        read_catalog(b"\n" * (MOST_LINES + 1), overwrite=False)


@pytest.mark.parametrize(
    ("flags", "filled"),
    [
        ("#,c-format\n", "#, fuzzy,c-format\n"),
        ("#,\n", "#, fuzzy\n"),
        ("#, fuzzy,c-format\n", "#, fuzzy,c-format\n"),
        ("#, c-format\n#,fuzzy\n", "#, c-format\n#,fuzzy\n"),
        ('#, fuzzy\n#~ msgid "old"\n#~ msgstr ""\n\n', '#, fuzzy\n#~ msgid "old"\n#~ msgstr ""\n\n#, fuzzy\n'),
    ],
)
def test_flags(flags: str, filled: str) -> None:
    """Those without a space made polib refuse the file."""
    entry = 'msgid "a"\nmsgstr ""\n'
    assert translated((flags + entry).encode()).decode() == filled + entry.replace('""', '"A"')


@pytest.mark.parametrize("sign", ["\u2028", "\x85", "\x0c", "\x1c"])
def test_only_line_feeds_and_carriage_returns_end_lines(sign: str) -> None:
    file = f'msgid "a{sign}b"\nmsgstr ""\n'
    assert read_catalog(file.encode(), overwrite=False).passages[0].text == f"a{sign}b"
    written = translated(file.encode()).decode()
    assert written.startswith(f'#, fuzzy\nmsgid "a{sign}b"\nmsgstr "A')
    assert read_catalog(written.encode(), overwrite=True).passages[0].text == f"a{sign}b"


@pytest.mark.parametrize(
    ("written", "text"),
    [
        (r"\x41\102c", "ABc"),
        (r"\xc3\xa4\303\266", "äö"),
        (r"\a\b\f\n\r\t\v\\\"", '\a\b\f\n\r\t\v\\"'),
        (r"\033[1m", "\x1b[1m"),
        (r"C:\\x41", r"C:\x41"),
    ],
)
def test_escapes(written: str, text: str) -> None:
    catalog = read_catalog(f'msgid "{written}"\nmsgstr ""\n'.encode(), overwrite=False)
    assert catalog.passages[0].text == text
    (entry,) = list(read_entries(catalog.written([text]).decode().splitlines(keepends=True)))
    assert entry.forms[0].text == text


def test_a_string_may_be_in_pieces_on_one_line_and_close_to_its_keyword() -> None:
    assert translated(b'msgid"a" "b"\nmsgstr""\n') == b'#, fuzzy\nmsgid"a" "b"\nmsgstr "AB"\n'


def test_the_plural_forms_that_are_empty_are_filled() -> None:
    """The entry was left as it was, though no program takes it with an empty form."""
    file = 'msgid "%d file"\nmsgid_plural "%d files"\nmsgstr[0] "eine"\nmsgstr[1] ""\nmsgstr[2] ""\n'
    filled = file.replace('[1] ""', '[1] "%D FILES"').replace('[2] ""', '[2] "%D FILES"')
    assert translated(file.encode()).decode() == "#, fuzzy\n" + filled
    assert translated(filled.encode()).decode() == filled


@pytest.mark.parametrize(
    "file",
    [
        'msgid "a"\n',
        'msgstr "a"\n',
        'msgid "a"\nmsgid "b"\nmsgstr ""\n',
        'msgid "a"\nmsgstr[0] ""\n',
        'msgid "a"\nmsgid_plural "b"\nmsgstr ""\n',
        'msgid "a"\nmsgstr ""\nmsgstr ""\n',
        'msgid "a" b\nmsgstr ""\n',
        'msgid "a"b"\nmsgstr ""\n',
        'msgid "a\nmsgstr ""\n',
        'msgid\nmsgstr ""\n',
    ],
)
def test_what_is_in_the_wrong_place_is_refused(file: str) -> None:
    with pytest.raises(InvalidInput, match=r"no gettext catalogue: .*\(line \d\)"):
        read_catalog(file.encode(), overwrite=False)
