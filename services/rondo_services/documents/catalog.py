"""gettext catalogues: only the `msgstr` of entries without a translation change, which are marked fuzzy.

An unreviewed translation is fuzzy by gettext's convention: `msgfmt --use-fuzzy` takes it, `msgattrib --clear-fuzzy`
accepts it. All other bytes of the file stay; polib says where which entry is.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import polib

from ..errors import InvalidInput
from .document import LONGEST_PASSAGE, Passage
from .encoding import Encoding, decode

_LONGEST_RUN = 10_000
_LINE = re.compile(r"\(line (\d+)\)")
"""Lines of one text, or of comments: polib's time grows with the square of their number."""

_CHARSETS = ("utf-8", "utf8", "us-ascii", "ascii", "charset")
"""That a header may name; CHARSET stands in templates."""


@dataclass(frozen=True, slots=True)
class _Gap:
    """An entry to be translated.

    Attributes:
        lines: from the first to before the second, the lines of the file that it takes.
        texts: the singular, and the plural if there is one.
        num_forms: how many plural forms it has; 0 for an entry without a plural.
    """

    lines: tuple[int, int]
    texts: tuple[str, ...]
    num_forms: int
    is_fuzzy: bool


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
            begin, end = gap.lines
            parts += self._lines[position:begin]
            parts += _filled(self._lines[begin:end], gap, [next(given) for _ in gap.texts])
            position = end
        return self._encoding.encode("".join([*parts, *self._lines[position:]]))


def read_catalog(data: bytes, *, overwrite: bool) -> Catalog:
    """Read a .po file.

    Args:
        overwrite: translate entries anew that have a translation.

    Raises:
        InvalidInput: it is none, declares another encoding than UTF-8, or an entry is too long; or as `decode` does.
    """
    text, encoding = decode(data)
    lines = text.splitlines(keepends=True)
    for is_part, run in groupby(lines, lambda line: line.lstrip().startswith(('"', "#"))):
        if is_part and sum(1 for _ in run) > _LONGEST_RUN:
            raise InvalidInput(f"a text or comment has more than {_LONGEST_RUN} lines", field="file")
    try:
        # The line break before it keeps polib from taking a name for the file's content.
        catalog = polib.pofile("\n" + text)
    except (OSError, ValueError, IndexError) as error:
        reason = _LINE.sub(lambda number: f"(line {int(number[1]) - 1})", str(error))  # it counts the break, too
        raise InvalidInput(f"the file is no gettext catalogue: {reason}", field="file") from error
    declared = catalog.metadata.get("Content-Type", "").lower().partition("charset=")[2].strip()
    if declared and declared not in _CHARSETS:
        raise InvalidInput(f"the file declares the encoding {declared}; convert it with msgconv -t UTF-8", field="file")
    return Catalog(lines, encoding, list(_gaps(catalog, len(lines), overwrite=overwrite)))


def _gaps(catalog: polib.POFile, num_lines: int, *, overwrite: bool) -> Iterator[_Gap]:
    starts = [max(0, entry.linenum - 2) for entry in catalog]  # polib counts from 1, with the line break before
    ends = [*starts[1:], num_lines]
    for entry, begin, end in zip(catalog, starts, ends, strict=False):  # of no entries there is an end all the same
        if entry.obsolete or not entry.msgid:
            continue
        if (entry.msgstr or any(entry.msgstr_plural.values())) and not overwrite:
            continue
        texts = (entry.msgid, entry.msgid_plural) if entry.msgid_plural else (entry.msgid,)
        if max(map(len, texts)) > LONGEST_PASSAGE:
            raise InvalidInput(f"line {begin + 1}: an entry of over {LONGEST_PASSAGE} characters", field="file")
        yield _Gap((begin, end), texts, len(entry.msgstr_plural), "fuzzy" in entry.flags)


def _filled(lines: Sequence[str], gap: _Gap, translations: Sequence[str]) -> Iterator[str]:
    """The lines of an entry with its translations."""
    line_end = "\r\n" if lines[0].endswith("\r\n") else "\n"
    flags = next((index for index, line in enumerate(lines) if line.lstrip().startswith("#,")), None)
    is_marked, is_filled, inside = gap.is_fuzzy, False, False
    for index, line in enumerate(lines):
        bare = line.lstrip()
        if not is_marked and index == flags:
            line, is_marked = line.replace("#,", "#, fuzzy,", 1), True
        elif not is_marked and flags is None and bare.startswith(("#|", "msgctxt", "msgid")):
            yield f"#, fuzzy{line_end}"
            is_marked = True
        if bare.startswith("msgstr"):
            inside = True
            if not is_filled:
                yield from _strings(gap, translations, line_end)
                is_filled = True
        elif not (inside and bare.startswith('"')):
            inside = False
            yield line


def _strings(gap: _Gap, translations: Sequence[str], line_end: str) -> Iterator[str]:
    """The `msgstr` lines. Where languages have but one form it is the plural; of several, the first is the singular."""
    if not gap.num_forms:
        yield from _string("msgstr", translations[0], line_end)
    for form in range(gap.num_forms):
        is_singular = form == 0 and gap.num_forms > 1
        yield from _string(f"msgstr[{form}]", translations[0 if is_singular else -1], line_end)


def _string(keyword: str, text: str, line_end: str) -> Iterator[str]:
    parts = text.split("\n")
    parts = [f"{part}\n" for part in parts[:-1]] + [part for part in parts[-1:] if part]
    if len(parts) <= 1:
        yield f'{keyword} "{polib.escape(text)}"{line_end}'
        return
    yield f'{keyword} ""{line_end}'
    for part in parts:
        yield f'"{polib.escape(part)}"{line_end}'
