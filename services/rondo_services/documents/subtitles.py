"""SubRip subtitles: numbers, times and positions stay as they are, to the byte.

The lines of a subtitle are one passage, as a sentence goes on over them, and its translation takes as many lines; but
a line that begins with a dash is somebody else's.
"""

import math
import re
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import srt

from ..errors import InvalidInput
from .document import LONGEST_PASSAGE, Passage
from .encoding import Encoding, decode

MOST_CHARACTERS = 1_000_000
"""A film has about a tenth of that."""

_MOST_SPACE, _MOST_DIGITS = 50, 16
_RUNS = re.compile(r"\s+|[0-9]+")
"""White space and digits: the parser's time grows with the square or the cube of their longest run."""

_EXPECTED = "expected a number, two times joined by -->, and text from line"
_DASHES = ("-", "–", "—")
_GAPS = re.compile(r"[ \t\r\n\f\v]+")
"""At which a line may be broken: at no no-break space."""

_TAG = re.compile(r"<[^<>]*>")
_SPACE_IN_A_TAG = "\0"


@dataclass(frozen=True, slots=True)
class _Utterance:
    """Lines that are said by one, from character `begin` to before `end` of the file."""

    begin: int
    end: int
    lines: tuple[str, ...]
    line_end: str


class Subtitles:
    """A .srt file."""

    def __init__(self, text: str, encoding: Encoding, utterances: Sequence[_Utterance]) -> None:
        self._text = text
        self._encoding = encoding
        self._utterances = utterances
        self.passages = [Passage(" ".join(line.strip() for line in said.lines)) for said in utterances]

    def written(self, translations: Sequence[str]) -> bytes:
        """As `Document.written`."""
        parts, position = [], 0
        for said, translation in zip(self._utterances, translations, strict=True):
            parts.append(self._text[position : said.begin])
            parts.append(said.line_end.join(even_lines(translation, len(said.lines))))
            position = said.end
        return self._encoding.encode("".join([*parts, self._text[position:]]))


def read_subtitles(data: bytes) -> Subtitles:
    """Read a .srt file.

    Raises:
        InvalidInput: it is none, or it or a subtitle is too long; or as `decode` does.
    """
    text, encoding = decode(data)
    if len(text) > MOST_CHARACTERS:
        raise InvalidInput(
            f"the file has {len(text)} characters; at most {MOST_CHARACTERS} in a .srt file", field="file"
        )
    if any(len(run[0]) > (_MOST_SPACE if run[0].isspace() else _MOST_DIGITS) for run in _RUNS.finditer(text)):
        limits = f"{_MOST_DIGITS} digits or {_MOST_SPACE} of white space"
        raise InvalidInput(f"the file is no SubRip: more than {limits} in a row", field="file")
    if text.strip() and srt.SRT_REGEX.match(text) is None:  # before it is looked for at each character
        raise InvalidInput(f"the file is no SubRip: {_EXPECTED} 1 on", field="file")
    try:
        list(srt.parse(text))
    except (srt.SRTParseError, ValueError) as error:  # a time that is none is a ValueError
        raise InvalidInput(f"the file is no SubRip: {_place(text, error)}", field="file") from error
    utterances = [said for match in srt.SRT_REGEX.finditer(text) for said in _utterances(match)]
    if any(said.end - said.begin > LONGEST_PASSAGE for said in utterances):
        raise InvalidInput(f"a subtitle is longer than {LONGEST_PASSAGE} characters", field="file")
    return Subtitles(text, encoding, utterances)


def _place(text: str, error: Exception) -> str:
    if not isinstance(error, srt.SRTParseError):
        return str(error)
    line = text.count("\n", 0, error.expected_start) + 1
    return f"{_EXPECTED} {line} on"


def _utterances(match: re.Match[str]) -> Iterator[_Utterance]:
    begin, content = match.start(5), match[5]
    line_end = "\r\n" if "\r\n" in content else "\n"
    lines: list[str] = []
    start = position = begin
    for line in content.split(line_end):
        stripped = line.strip()
        if lines and (not stripped or stripped.startswith(_DASHES)):
            yield _Utterance(start, position - len(line_end), tuple(lines), line_end)
            lines = []
        if stripped:
            start = start if lines else position
            lines.append(line)
        position += len(line) + len(line_end)
    if lines:
        yield _Utterance(start, position - len(line_end), tuple(lines), line_end)


def even_lines(text: str, count: int) -> list[str]:
    """`text` in at most `count` lines of about the same length; words and tags stay whole."""
    words = _TAG.sub(lambda tag: tag[0].replace(" ", _SPACE_IN_A_TAG), _GAPS.sub(" ", text).strip(" "))
    if count == 1 or not words:
        return [words.replace(_SPACE_IN_A_TAG, " ")]
    width = math.ceil(len(words) / count)
    while len(lines := _wrapped(words, width)) > count:
        width += max(1, width // 16)
    return [line.replace(_SPACE_IN_A_TAG, " ") for line in lines]


def _wrapped(text: str, width: int) -> list[str]:
    return textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False)
