"""gettext catalogues: only the `msgstr` of entries without a translation change, which are marked fuzzy.

An unreviewed translation is fuzzy by gettext's convention: `msgfmt --use-fuzzy` takes it, `msgattrib --clear-fuzzy`
accepts it. Of an entry of which some plural forms are translated, the others are filled. All other bytes of the file
stay.
"""

import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ..errors import InvalidInput
from .catalog_entries import Entry, escaped, read_entries
from .document import LONGEST_PASSAGE, Passage, check_count
from .encoding import Encoding, decode

MOST_LINES = 400_000
"""For each a few hundred bytes are held while a file is read."""

_CHARSET = re.compile(r"^content-type:.*?charset=([^\s;]*)", re.IGNORECASE | re.MULTILINE)
_CHARSETS = ("", "utf-8", "utf8", "us-ascii", "ascii", "charset")
"""That a header may name; CHARSET stands in templates."""


@dataclass(frozen=True, slots=True)
class _Gap:
    """An entry to be translated.

    Attributes:
        begin: its first line, before which a line of flags may come.
        flags_at: its line of flags, if there is one.
        texts: the singular, and the plural if there is one.
        forms: each with its `msgstr`'s first line and the line after the last, and which of the texts it translates.
    """

    begin: int
    flags_at: int | None
    is_fuzzy: bool
    texts: tuple[str, ...]
    forms: tuple[tuple[str, int, int, int], ...]


class Catalog:
    """A .po file."""

    def __init__(self, lines: Sequence[str], encoding: Encoding, gaps: Sequence[_Gap]) -> None:
        self._lines = lines
        self._encoding = encoding
        self._gaps = gaps
        self.passages = [Passage(text) for gap in gaps for text in gap.texts]

    def written(self, translations: Sequence[str]) -> bytes:
        """As `Document.written`."""
        if len(translations) != len(self.passages):
            raise ValueError(f"{len(translations)} translations of {len(self.passages)} passages")
        given = iter(translations)
        parts: list[str] = []
        position = 0
        for gap in self._gaps:
            for begin, end, lines in _changes(self._lines, gap, [next(given) for _ in gap.texts]):
                parts += self._lines[position:begin]
                parts += lines
                position = end
        return self._encoding.encode("".join([*parts, *self._lines[position:]]))


def read_catalog(data: bytes, *, overwrite: bool) -> Catalog:
    """Read a .po file.

    Args:
        overwrite: translate entries anew that have a translation.

    Raises:
        InvalidInput: it is none, declares another encoding than UTF-8, or it or an entry is too long; or as `decode`
            does.
    """
    text, encoding = decode(data)
    check_count(text.count("\n") + text.count("\r"), MOST_LINES, "line breaks")
    lines = list(io.StringIO(text, newline=""))  # which end with \n, \r\n or \r: other breaks may be in a string
    gaps = []
    for entry in read_entries(lines):
        if not entry.singular:
            _check_header(entry)
        elif gap := _gap(entry, overwrite=overwrite):
            gaps.append(gap)
    return Catalog(lines, encoding, gaps)


def _check_header(entry: Entry) -> None:
    declared = _CHARSET.search("".join(form.text for form in entry.forms.values()))
    if "msgctxt" not in entry.strings and declared is not None and (name := declared[1].lower()) not in _CHARSETS:
        raise InvalidInput(f"the file declares the encoding {name}; convert it with msgconv -t UTF-8", field="file")


def _gap(entry: Entry, *, overwrite: bool) -> _Gap | None:
    """What is to be translated of an entry. Where languages have but one form it is the plural; of several, the first
    is the singular."""
    assert entry.begin is not None
    texts = (entry.singular,) if entry.plural is None else (entry.singular, entry.plural)
    if max(map(len, texts)) > LONGEST_PASSAGE:
        raise InvalidInput(f"line {entry.begin + 1}: an entry of over {LONGEST_PASSAGE} characters", field="file")
    empty = {number: form for number, form in entry.forms.items() if overwrite or not form.text}
    if not empty:
        return None
    forms = tuple(
        ("msgstr", form.begin, form.end, 0)
        if entry.plural is None
        else (f"msgstr[{number}]", form.begin, form.end, 0 if number == 0 and len(entry.forms) > 1 else 1)
        for number, form in empty.items()
    )
    return _Gap(entry.begin, entry.flags_at, entry.is_fuzzy, texts, forms)


def _changes(lines: Sequence[str], gap: _Gap, translations: Sequence[str]) -> Iterator[tuple[int, int, list[str]]]:
    """Lines from one to before another, and what comes instead of them."""
    line_end = "\r\n" if lines[gap.begin].endswith("\r\n") else "\n"
    if not gap.is_fuzzy and gap.flags_at is None:
        yield gap.begin, gap.begin, [f"#, fuzzy{line_end}"]
    elif not gap.is_fuzzy and gap.flags_at is not None:
        before, _, flags = lines[gap.flags_at].partition("#,")
        yield gap.flags_at, gap.flags_at + 1, [f"{before}#, fuzzy{',' if flags.strip() else ''}{flags}"]
    for keyword, begin, end, text in gap.forms:
        yield begin, end, list(_string(keyword, translations[text], line_end))


def _string(keyword: str, text: str, line_end: str) -> Iterator[str]:
    parts = text.split("\n")
    parts = [f"{part}\n" for part in parts[:-1]] + [part for part in parts[-1:] if part]
    if len(parts) <= 1:
        yield f'{keyword} "{escaped(text)}"{line_end}'
        return
    yield f'{keyword} ""{line_end}'
    for part in parts:
        yield f'"{escaped(part)}"{line_end}'
