"""Saliencies of ids → saliencies of pieces of text."""

import codecs
from collections.abc import Sequence

from rondo_tokenizers.vocabulary import Tokenizer

from .schema import TokenSaliency


def token_saliencies(tokenizer: Tokenizer, ids: Sequence[int], saliency: Sequence[float]) -> list[TokenSaliency]:
    """One entry a token, except that bytes of one character are one.

    Joined, the entries' texts are the text of `ids`, from which the space that the tokenizer puts before it is taken
    off. What is left of a token without text, such as that space or the end symbol, is not listed; if text follows, its
    saliency is added to that.
    """
    decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
    entries: list[TokenSaliency] = []
    text, total, is_first = "", 0.0, True
    for identifier, own in zip(ids, saliency, strict=True):
        text += decoder.decode(tokenizer.spelling(identifier))
        total += own
        if is_first and text:
            text, is_first = text.removeprefix(" "), False
        if text and not decoder.getstate()[0]:
            entries.append(TokenSaliency(text=text, saliency=total))
            text, total = "", 0.0
    return entries
