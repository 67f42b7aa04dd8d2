"""The joint SentencePiece vocabulary, wrapped so that encode → decode is exact for any Unicode text.

SentencePiece itself is not quite lossless: it writes a space as U+2581, so a U+2581 in the text comes back
as a space, and it drops a NUL. Both are sent through the byte pieces here instead. A space is put before the
text and taken off again, so that a word has the same piece at the start of a text and inside it.
"""

import codecs
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import sentencepiece

from .language_names import LANGUAGES

PAD, UNKNOWN, START, END = "<pad>", "<unk>", "<s>", "</s>"
SUMMARY = "<summary>"
SPACE_MARK = "\u2581"
_NEEDS_BYTES = re.compile(f"([{SPACE_MARK}\0])")
_BETWEEN_WORDS = re.compile(r"(?<=\S)(?= \S)")
"""No piece reaches across: a space begins a piece unless it follows another one."""
_PART_CHARACTERS = 2048


def target_tag(language: str) -> str:
    """The decoder's first symbol when it writes `language`."""
    return f"<2{language}>"


def _check(text: str) -> None:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise ValueError(f"lone surrogate at character {error.start}") from error


def check_languages(languages: Sequence[str]) -> None:
    """Check that a vocabulary can be for `languages`.

    Raises:
        ValueError: there are none, or one is unknown or listed twice.
    """
    if not languages:
        raise ValueError(f"languages are missing; possible are {', '.join(LANGUAGES)}")
    if unknown := [language for language in languages if language not in LANGUAGES]:
        raise ValueError(f"unknown language {', '.join(map(repr, unknown))}; possible are {', '.join(LANGUAGES)}")
    if len(set(languages)) < len(languages):
        raise ValueError(f"a language is listed twice: {', '.join(languages)}")


def control_symbols(languages: Sequence[str]) -> list[str]:
    """Of a vocabulary for `languages`, besides SentencePiece's own; raises as `check_languages` does."""
    check_languages(languages)
    return [*map(target_tag, languages), SUMMARY]


class Tokenizer:
    """A loaded vocabulary; `target_ids` are the target tags of its languages, in the order of `LANGUAGES`, and
    `byte_ids` the pieces of the 256 bytes.

    Raises:
        ValueError: the model file is no SentencePiece model, or lacks byte fallback, a control symbol or all tags.
    """

    def __init__(self, model: bytes) -> None:
        self._processor = sentencepiece.SentencePieceProcessor()
        try:
            self._processor.LoadFromSerializedProto(model)
        except RuntimeError as error:
            raise ValueError(f"not a SentencePiece model: {error}") from error
        self.size: int = self._processor.GetPieceSize()
        self.pad_id = self._control_id(PAD)
        self.unknown_id = self._control_id(UNKNOWN)
        self.start_id = self._control_id(START)
        self.end_id = self._control_id(END)
        self.summary_id = self._control_id(SUMMARY)
        self.target_ids = self._target_ids()
        self.byte_ids = [self._control_id(f"<0x{value:02X}>") for value in range(256)]
        self._byte_values = {identifier: value for value, identifier in enumerate(self.byte_ids)}
        self.control_ids = frozenset(i for i in range(self.size) if self._processor.IsControl(i))
        self.never_written = sorted((self.control_ids | {self.unknown_id, self.pad_id}) - {self.end_id})

    @classmethod
    def load(cls, path: Path) -> "Tokenizer":
        """Read a vocabulary from a `.model` file."""
        return cls(path.read_bytes())

    @property
    def model(self) -> bytes:
        """The vocabulary as it is written to a `.model` file."""
        return bytes(self._processor.serialized_model_proto())

    def _control_id(self, symbol: str) -> int:
        identifier = int(self._processor.PieceToId(symbol))
        if self._processor.IdToPiece(identifier) != symbol:
            raise ValueError(f"the vocabulary has no {symbol} piece")
        return identifier

    def _target_ids(self) -> dict[str, int]:
        ids = {language: int(self._processor.PieceToId(target_tag(language))) for language in LANGUAGES}
        ids = {language: identifier for language, identifier in ids.items() if self._processor.IsControl(identifier)}
        if not ids:
            raise ValueError(f"the vocabulary has none of the pieces {', '.join(map(target_tag, LANGUAGES))}")
        return ids

    def encode(self, text: str) -> list[int]:
        """Ids of `text`, without start or end symbols; an empty text has none.

        Raises:
            ValueError: `text` holds a lone surrogate, which is no Unicode text.
        """
        return self._ids(text, before=" ")

    def encode_continuation(self, text: str) -> list[int]:
        """Ids of text that goes on from earlier text: nothing is put before it. Raises as `encode` does."""
        return self._ids(text, before="")

    def _ids(self, text: str, before: str) -> list[int]:
        if not text:
            return []
        _check(text)
        ids: list[int] = []
        for part in _NEEDS_BYTES.split(before + text):
            if _NEEDS_BYTES.fullmatch(part):
                ids.extend(self.byte_ids[value] for value in part.encode("utf-8"))
            elif part:
                ids.extend(self._processor.EncodeAsIds(part))
        return ids

    def encode_in_parts(self, text: str, *, continues: bool = False) -> Iterator[list[int]]:
        """Ids of a long text, a part after the other, each in a fraction of a millisecond.

        Together they are those of `encode`, or of `encode_continuation` if it continues another. Raises as they do.
        """
        begin = 0
        while begin < len(text):
            boundary = _BETWEEN_WORDS.search(text, begin + _PART_CHARACTERS)
            end = boundary.start() if boundary else len(text)
            yield self._ids(text[begin:end], before="" if begin or continues else " ")
            begin = end

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        """Ids of many texts, as `encode` has them, in less time for each; raises as it does."""
        plain = [number for number, text in enumerate(texts) if text and not _NEEDS_BYTES.search(text)]
        for number in plain:
            _check(texts[number])
        found = self._processor.Encode([f" {texts[number]}" for number in plain], num_threads=1)
        ids = dict(zip(plain, found, strict=True))
        return [ids[number] if number in ids else self.encode(text) for number, text in enumerate(texts)]

    def begins_word(self, identifier: int) -> bool:
        """Whether a piece begins with a space."""
        return str(self._processor.IdToPiece(identifier)).startswith(SPACE_MARK)

    def segmentations(self, ids: Sequence[int], most: int) -> list[tuple[list[int], float]]:
        """The likeliest segmentations of the text of `ids`, with their log likelihoods in nats.

        A text that needs byte pieces has none: their likelihood is not known.
        """
        if not ids or any(identifier in self._byte_values for identifier in ids):
            return []
        text = self.decode_continuation(ids)
        found = self._processor.NBestEncodeAsIds(text, most)
        return [(list(other), sum(map(self._processor.GetScore, other))) for other in found]

    def decode(self, ids: Iterable[int]) -> str:
        """Text of `ids`; control symbols are left out, bytes that are no UTF-8 become U+FFFD."""
        return self.decode_continuation(ids).removeprefix(" ")

    def decode_continuation(self, ids: Iterable[int]) -> str:
        """Text of ids that go on from earlier ones: a leading space is kept."""
        return b"".join(map(self.spelling, ids)).decode("utf-8", errors="replace")

    def spelling(self, identifier: int) -> bytes:
        """What an id stands for in UTF-8, possibly a part of a character; nothing for a control symbol."""
        if identifier in self.control_ids:
            return b""
        value = self._byte_values.get(identifier)
        if value is not None:
            return bytes((value,))
        return str(self._processor.IdToPiece(identifier)).replace(SPACE_MARK, " ").encode("utf-8")

    def name(self, identifier: int) -> str:
        """What the vocabulary calls an id, such as `</s>`."""
        return str(self._processor.IdToPiece(identifier))

    def spans(self, ids: Sequence[int]) -> list[tuple[int, int]]:
        """The characters of `decode(ids)` that each id stands for, without the space that it may begin with.

        Of the bytes of one character the last has it.
        """
        decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        text, ends = "", []
        for identifier in ids:
            text += decoder.decode(self.spelling(identifier))
            ends.append(len(text))
        text += decoder.decode(b"", final=True)
        if ends:
            ends[-1] = len(text)
        offset = 1 if text.startswith(" ") else 0
        spans, begin = [], 0
        for end in ends:
            first = begin + 1 if begin < end and text[begin] == " " else begin
            spans.append((max(first - offset, 0), max(end - offset, 0)))
            begin = end
        return spans
