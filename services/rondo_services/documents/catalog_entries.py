"""The entries of a gettext catalogue, as GNU gettext reads them: https://www.gnu.org/software/gettext/manual/PO-Files.html.

What each says, and which lines of the file say it. Nothing is known here of what is done with them.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from ..errors import InvalidInput

_SPACE = " \t\r\n\v\f"
_KEYWORD = re.compile(r"(msgctxt|msgid_plural|msgid|msgstr)(?:\[(\d{1,3})\])?(?=[\s\"])")
_STRING = re.compile(r'\s*"((?:[^"\\]|\\.)*+)"')
_STRINGS = re.compile(r'(?:\s*"(?:[^"\\]|\\.)*+")++\s*')
_BYTES = re.compile(r"(?:\\(?:[0-7]{1,3}|x[0-9A-Fa-f]{1,2}))+")
_BYTE = re.compile(r"\\(?:([0-7]{1,3})|x([0-9A-Fa-f]{1,2}))")
_ESCAPED = re.compile(rf"{_BYTES.pattern}|\\.")
_MEANINGS = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "f": "\f", "v": "\v", '"': '"', "\\": "\\"}
_ESCAPES = {ord(meaning): f"\\{letter}" for letter, meaning in _MEANINGS.items()}
_ESCAPES |= {code: f"\\{code:03o}" for code in range(32) if code not in _ESCAPES}


@dataclass(slots=True)
class String:
    """What a keyword says.

    Attributes:
        begin, end: lines of the keyword and the strings that follow it, from the first to before the second.
        parts: of its text, a string each.
    """

    begin: int
    end: int
    parts: list[str]

    @property
    def text(self) -> str:
        """As programs read it."""
        return "".join(self.parts)


@dataclass(slots=True)
class Entry:
    """A message.

    Attributes:
        begin: its first line that says what the message was or is, before which a line of flags may come.
        flags_at: its first line of flags, if there is one.
        strings: by their keywords, without those of translations.
        forms: the translations by the numbers of the plural forms; one without a plural has number 0.
    """

    begin: int | None = None
    flags_at: int | None = None
    is_fuzzy: bool = False
    strings: dict[str, String] = field(default_factory=dict)
    forms: dict[int, String] = field(default_factory=dict)

    @property
    def singular(self) -> str:
        """The text of the message; empty for the header."""
        return self.strings["msgid"].text

    @property
    def plural(self) -> str | None:
        """Its plural, if it has one."""
        plural = self.strings.get("msgid_plural")
        return None if plural is None else plural.text


def read_entries(lines: Sequence[str]) -> Iterator[Entry]:
    """The messages of a catalogue, the header among them, but no obsolete ones.

    Raises:
        InvalidInput: the lines are no catalogue.
    """
    entry, string = Entry(), None
    for number, line in enumerate(lines):
        bare = line.strip(_SPACE)
        if not bare:
            continue
        keyword = _KEYWORD.match(bare)
        begins_anew = bare[0] == "#" or (keyword is not None and keyword[1] in ("msgctxt", "msgid"))
        if begins_anew and entry.forms:
            yield entry
            entry, string = Entry(), None
        if bare.startswith("#~") and not entry.strings:
            entry = Entry()  # what came before was about the obsolete one
        elif bare[0] == "#":
            _take_comment(entry, bare, number)
        if bare[0] == "#":
            continue
        if keyword is not None:
            string = _begun(entry, keyword, number)
            bare = bare[keyword.end() :]
        elif string is None or bare[0] != '"':
            raise _error("neither a keyword, nor a string of one, nor a comment", number)
        if not _STRINGS.fullmatch(bare):
            raise _error("a string has to be in double quotes, with a backslash before those in it", number)
        string.parts += [unescaped(match[1]) for match in _STRING.finditer(bare)]
        string.end = number + 1
    if entry.forms:
        yield entry
    elif entry.strings:
        raise _error("a message without msgstr", len(lines) - 1)


def _take_comment(entry: Entry, comment: str, number: int) -> None:
    if comment.startswith("#,"):
        entry.is_fuzzy |= "fuzzy" in (flag.strip() for flag in comment[2:].split(","))
        entry.flags_at = number if entry.flags_at is None else entry.flags_at
    elif comment.startswith("#|") and entry.begin is None:
        entry.begin = number


def _begun(entry: Entry, keyword: re.Match[str], number: int) -> String:
    """The string of a keyword, which is where it may be."""
    name, form = keyword[1], keyword[2]
    has_plural = "msgid_plural" in entry.strings
    if name == "msgstr":
        is_in_place = "msgid" in entry.strings and has_plural == (form is not None)
        is_new = int(form or 0) not in entry.forms
    else:
        is_in_place = form is None and not entry.forms and (name != "msgid_plural" or "msgid" in entry.strings)
        is_new = name not in entry.strings and not (name == "msgctxt" and entry.strings)
    if not is_in_place or not is_new:
        raise _error(f"{keyword[0]} where it can't be", number)
    string = String(number, number + 1, [])
    if name == "msgstr":
        entry.forms[int(form or 0)] = string
    else:
        entry.strings[name] = string
    entry.begin = number if entry.begin is None else entry.begin
    return string


def unescaped(text: str) -> str:
    """What is written between two double quotes, as programs read it. Numbers are of bytes in UTF-8."""
    if "\\" not in text:
        return text
    pieces, position = [], 0
    for match in _ESCAPED.finditer(text):
        pieces += [text[position : match.start()], _meaning(match[0])]
        position = match.end()
    return "".join([*pieces, text[position:]])


def _meaning(escape: str) -> str:
    if not _BYTES.fullmatch(escape):
        return _MEANINGS.get(escape[1], escape)
    values = (int(octal, 8) if octal else int(hexadecimal, 16) for octal, hexadecimal in _BYTE.findall(escape))
    return bytes(value & 0xFF for value in values).decode(errors="replace")


def escaped(text: str) -> str:
    """Text as it is written between two double quotes."""
    return text.translate(_ESCAPES)


def _error(reason: str, number: int) -> InvalidInput:
    return InvalidInput(f"the file is no gettext catalogue: {reason} (line {number + 1})", field="file")
