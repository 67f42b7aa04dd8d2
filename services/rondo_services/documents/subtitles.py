"""SubRip subtitles: numbers, times and positions stay as they are, to the byte.

The lines of a subtitle are one passage, as a sentence goes on over them, and its translation takes as many lines; but
a line that begins with a dash or a name is somebody else's, and one that begins with a note is sung by itself.
`utterance.py` tells the words from what frames them.
"""

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import srt

from ..errors import InvalidInput
from .document import LONGEST_PASSAGE, check_count
from .encoding import Encoding, decode
from .utterance import MARK, Utterance

MOST_CHARACTERS = 1_000_000
MOST_SPEAKERS = 50_000
"""A film has about a tenth of that."""

_MOST_SPACE, _MOST_DIGITS = 50, 16
_RUNS = re.compile(r"\s+|[0-9]+")
"""White space and digits: the parser's time grows with the square or the cube of their longest run."""

_EXPECTED = "expected a number, two times joined by -->, and text from line"
_FRAME = rf"(?:\s|(?i:{MARK.pattern}))*+"
_OTHER = re.compile(rf"{_FRAME}(?:[-–—](?!\d)|>>|[♩-♬]|[A-ZÄÖÜ][A-ZÄÖÜ.' -]{{1,40}}:\s)")
"""How a line begins that is not said with the one before: with a dash, a note of music, or a name."""

_SOUND = re.compile(rf"{_FRAME}\[[^\[\]]*\]{_FRAME}\Z")
_GAPS = re.compile(r"[ \t\r\n\f\v]+")
"""At which a line may be broken: at no no-break space."""

_SPACE_IN_A_MARK = "\0"


@dataclass(frozen=True, slots=True)
class _Lines:
    """Lines that are said by one, from character `begin` to before `end` of the file."""

    begin: int
    end: int
    count: int
    line_end: str
    said: Utterance


class Subtitles:
    """A .srt file."""

    def __init__(self, text: str, encoding: Encoding, lines: Sequence[_Lines]) -> None:
        self._text = text
        self._encoding = encoding
        self._lines = lines
        self.passages = [passage for own in lines for passage in own.said.passages]

    def written(self, translations: Sequence[str]) -> bytes:
        """As `Document.written`.

        Raises:
            ValueError: there are more or fewer than passages, or one has not the tags of its source.
        """
        if len(translations) != len(self.passages):
            raise ValueError(f"{len(translations)} translations of {len(self.passages)} passages")
        given = iter(translations)
        parts, position = [], 0
        for own in self._lines:
            if own.said.passages:
                parts.append(self._text[position : own.begin])
                parts.append(own.line_end.join(even_lines(own.said.written(given), own.count)))
                position = own.end
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
        for _ in srt.parse(text):
            pass
    except (srt.SRTParseError, ValueError) as error:  # a time that is none is a ValueError
        raise InvalidInput(f"the file is no SubRip: {_place(text, error)}", field="file") from error
    lines: list[_Lines] = []
    for match in srt.SRT_REGEX.finditer(text):
        if len(match[5]) > LONGEST_PASSAGE:
            raise InvalidInput(f"a subtitle is longer than {LONGEST_PASSAGE} characters", field="file")
        lines += _speakers(match)
        check_count(len(lines), MOST_SPEAKERS, "subtitles and lines of dialogue")
    return Subtitles(text, encoding, lines)


def _place(text: str, error: Exception) -> str:
    if not isinstance(error, srt.SRTParseError):
        return str(error)
    line = text.count("\n", 0, error.expected_start) + 1
    return f"{_EXPECTED} {line} on"


def _speakers(match: re.Match[str]) -> Iterator[_Lines]:
    begin, content = match.start(5), match[5]
    line_end = "\r\n" if "\r\n" in content else "\n"
    lines: list[str] = []
    start = position = begin

    def said() -> _Lines:
        return _Lines(start, position - len(line_end), len(lines), line_end, Utterance(" ".join(lines)))

    for line in content.split(line_end):
        stripped = line.strip()
        if lines and (not stripped or _OTHER.match(stripped) or _SOUND.match(stripped) or _SOUND.match(lines[-1])):
            yield said()
            lines = []
        if stripped:
            start = start if lines else position
            lines.append(stripped)
        position += len(line) + len(line_end)
    if lines:
        yield said()


def even_lines(text: str, count: int) -> list[str]:
    """`text` in at most `count` lines that look about as long; words, tags and codes stay whole."""
    words = MARK.sub(lambda mark: mark[0].replace(" ", _SPACE_IN_A_MARK), _GAPS.sub(" ", text).strip(" ")).split(" ")
    sizes = [len(MARK.sub("", word.replace(_SPACE_IN_A_MARK, " "))) for word in words]
    width = math.ceil((sum(sizes) + len(sizes) - 1) / count)
    while len(lines := _wrapped(words, sizes, width)) > count:
        width += max(1, width // 16)
    return [" ".join(line).replace(_SPACE_IN_A_MARK, " ") for line in lines]


def _wrapped(words: Sequence[str], sizes: Sequence[int], width: int) -> list[list[str]]:
    """As many words a line as there is room for; what is not seen ends a line rather than that it begins one."""
    lines: list[list[str]] = []
    room = 0
    for word, size in zip(words, sizes, strict=True):
        if lines and (size < room or not size):
            lines[-1].append(word)
            room -= size + 1 if size else 0
        else:
            lines.append([word])
            room = width - size + (not size)  # beside what is not seen is no space to see
    return lines
