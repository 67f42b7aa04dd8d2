"""Learns the joint vocabulary from lines of text."""

import io
from collections.abc import Iterable, Sequence

import sentencepiece

from .vocabulary import control_symbols


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
        lines: one text each; they are used as they are.
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
            sentence_iterator=(f" {line}" for line in lines),
            model_writer=output,
            model_type="unigram",
            vocab_size=size,
            byte_fallback=True,
            normalization_rule_name="identity",
            add_dummy_prefix=False,
            remove_extra_whitespaces=False,
            split_digits=True,
            character_coverage=character_coverage,
            max_sentence_length=16384,
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
