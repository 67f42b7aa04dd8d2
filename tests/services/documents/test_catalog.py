"""gettext catalogues: only what has no translation changes."""

from pathlib import Path

import polib
import pytest

from rondo_services.documents.catalog import read_catalog
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


@pytest.mark.parametrize("line", ['"a"\n', "# a\n", "#. a\n"])
def test_what_would_take_the_parser_for_ever_is_refused(line: str) -> None:
    with pytest.raises(InvalidInput, match="more than 10000 lines"):
        read_catalog(('msgid "b"\n' + line * 100_000).encode(), overwrite=False)
