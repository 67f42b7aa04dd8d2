"""Learns the joint vocabulary from lines of text."""

import io
import re
from collections.abc import Iterable, Iterator, Sequence

import sentencepiece

from .vocabulary import control_symbols

_MOST_BYTES = 16384
"""SentencePiece passes over a line that has more."""
_STRETCH = re.compile(
    r".{1,4000}\Z|.{1,4000}(?=[\n\r])|.{1,4000}(?<=[.!?。])(?=\s)|.{1,4000}(?=\s)|.{1,4000}", re.DOTALL
)
"""Up to 4,000 characters, which have less bytes than that: to a line's end, else a sentence's, else a word's."""


def train_vocabulary(
    lines: Iterable[str],
    *,
    size: int,
    languages: Sequence[str],
    character_coverage: float = 0.9995,
    threads: int = 1,
    exact: bool = True,
) -> bytes:
    """Return a serialised unigram model with byte fallback and identity normalisation.

    Args:
        lines: one text each; they are used as they are, a long one in several parts.
        size: number of pieces, control symbols and the 256 bytes included.
        languages: ISO 639-1 codes of those that it has target tags for.
        character_coverage: share of the characters seen that get a piece; the others fall back to bytes.
        exact: whether fewer pieces than `size`, because the text holds no more, are an error.

    Raises:
        ValueError: the text is too little or too varied for `size`, or `languages` are none, unknown or repeated.

    Source: Kudo 2018, "Subword Regularization", arXiv:1804.10959.
    """
    symbols = control_symbols(languages)
    output = io.BytesIO()
    try:
        sentencepiece.SentencePieceTrainer.Train(
            sentence_iterator=(f" {part}" for line in lines for part in _parts(line)),
            model_writer=output,
            model_type="unigram",
            vocab_size=size,
            byte_fallback=True,
            normalization_rule_name="identity",
            add_dummy_prefix=False,
            remove_extra_whitespaces=False,
            split_digits=True,
            character_coverage=character_coverage,
            max_sentence_length=_MOST_BYTES,
            pad_id=0,
            unk_id=1,
            bos_id=2,
            eos_id=3,
            pad_piece="<pad>",
            control_symbols=symbols,
            num_threads=threads,
            hard_vocab_limit=exact,
            minloglevel=1,
        )
    except RuntimeError as error:
        raise ValueError(f"could not learn {size} pieces: {error}") from error
    return output.getvalue()


def _parts(line: str) -> Iterator[str]:
    if len(line.encode()) < _MOST_BYTES:
        yield line
        return
    yield from (stretch.strip() for stretch in _STRETCH.findall(line) if not stretch.isspace())
