"""Words of a text, cut as the Penn Treebank cuts English ("don't" is "do" and "n't"), and their pieces.

A head that tags words learns from texts that were cut so; other languages are cut at spaces and punctuation marks.
"""

import re
from collections.abc import Sequence

from .normalization import compose
from .vocabulary import Tokenizer

Span = tuple[int, int]

_LETTERS = r"[\w\u0300-\u036f]+"
"""With marks that are not composed with their letter yet."""

_WORD = re.compile(
    r"""
      (?:[^\W\d_]\.){2,}                                          # U.S.
    | (?:Mr|Mrs|Ms|Dr|St|Sen|Rep|Gov|Gen|Lt|Col|Sgt|Jr|Sr|Inc|Corp|Co|Ltd|vs|No
        |Jan|Feb|Aug|Sept|Oct|Nov|Dec|Calif|Ave)\.(?=\s+\S)       # an abbreviation, unless the text ends there
    | [^\W\d_]\.(?=\s+[^\W\d_])                                   # an initial
    | ['’](?:s|re|ve|ll|d|m)\b                                    # clitics
    | n['’]t\b
    | \w+?(?=n['’]t\b)
    | LETTERS(?:[.,:/&’'@-]+(?!(?:s|re|ve|ll|d|m)\b)LETTERS(?<!n['’]t))*  # 1,000.50, year-old, O'Brien, 9/11, a@b.org
    | \.{2,} | -{2,}
    | \S
    """.replace("LETTERS", _LETTERS),
    re.VERBOSE | re.IGNORECASE,
)


def split_words(text: str) -> list[Span]:
    """The characters of each word, in order; only white space is in none."""
    return [match.span() for match in _WORD.finditer(text)]


def encode_words(tokenizer: Tokenizer, text: str, spans: Sequence[Span]) -> list[list[int]]:
    """The pieces of each word, at least one: encoded alone, so that no piece is of two words.

    Raises:
        ValueError: the text has a lone surrogate.
    """
    pieces, end = [], None
    for begin, own_end in spans:
        space = "" if begin == end else " "
        pieces.append(tokenizer.encode_continuation(space + compose(text[begin:own_end])))
        end = own_end
    return pieces
