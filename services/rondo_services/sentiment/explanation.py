"""Saliencies of ids → saliencies of pieces of text."""

import codecs
from collections.abc import Sequence

from rondo_tokenizers.normalization import compose
from rondo_tokenizers.vocabulary import Tokenizer

from ..reading import Pieces, readable
from .schema import TokenSaliency


def token_saliencies(
    tokenizer: Tokenizer, text: str, ids: Sequence[int], saliency: Sequence[float]
) -> list[TokenSaliency]:
    """One entry a token, except that bytes of one character are one.

    Joined, the entries' texts are `text` in Unicode NFC, of which the ids are; what is not read of it goes with what
    follows, but is left out where it parts a letter from its marks, or is all. What is left of a token without text,
    such as the space that the tokenizer puts before it or the end symbol, is not listed; if text follows, its saliency
    is added to that.
    """
    whole, pieces = compose(text), Pieces()
    pieces.read(whole, (0, len(whole)))
    if pieces.text != (own := compose(readable(text))):
        whole, pieces = own, Pieces()
        pieces.add(whole, (0, len(whole)), is_whole=False)
    decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
    entries: list[TokenSaliency] = []
    read, total, is_first = "", 0.0, True
    begin = num_read = 0
    for identifier, share in zip(ids, saliency, strict=True):
        read += decoder.decode(tokenizer.spelling(identifier))
        total += share
        if is_first and read:
            read, is_first = read.removeprefix(" "), False
        if read and not decoder.getstate()[0]:
            _, end = pieces.other((num_read, num_read + len(read)))
            entries.append(TokenSaliency(text=whole[begin:end], saliency=total))
            begin, num_read = end, num_read + len(read)
            read, total = "", 0.0
    if entries:
        entries[-1].text += whole[begin:]
    return entries
