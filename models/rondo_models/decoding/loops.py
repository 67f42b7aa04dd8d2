"""Finds n-grams that come again, once or again and again, as a search that has lost its way writes them."""

from collections.abc import Sequence, Set
from operator import eq

LONGEST_NGRAM = 8
SHORTEST_LOOP = 16
"""Tokens. Laughter and large numbers repeat single tokens, too, but not for so long."""

NO_TOKENS: Set[int] = frozenset()


def looping_ngram(ids: Sequence[int], most: int) -> int:
    """Length of the n-gram with which `ids` end more than `most` times in a row; 0 if there is none."""
    for n in range(1, LONGEST_NGRAM + 1):
        if num_copies(ids, n) >= copies_of_loop(n, most):
            return n
    return 0


def copies_of_loop(n: int, most: int) -> int:
    """From how many copies on an n-gram is taken for a loop."""
    return max(most + 1, -(-SHORTEST_LOOP // n))


def num_copies(ids: Sequence[int], n: int) -> int:
    """How often in a row the last `n` ids come at the end."""
    period = 0
    while period < len(ids) - n and ids[-1 - period] == ids[-1 - period - n]:
        period += 1
    return 1 + period // n


def repeating(ids: Sequence[int], n: int) -> Set[int]:
    """Tokens that, coming next, would complete an n-gram that `ids` hold already."""
    if len(ids) < n:
        return NO_TOKENS
    prefix = ids[len(ids) - n + 1 :]
    if n > 1 and prefix[-1] not in ids[n - 2 : -1]:
        return NO_TOKENS
    return {ids[i + n - 1] for i in range(len(ids) - n + 1) if ids[i : i + n - 1] == prefix}


def most_repeats(ids: Sequence[int]) -> int:
    """How often in a row an n-gram comes at most, as in a source that repeats itself on purpose."""
    most = min(len(ids), 1)
    for n in range(1, LONGEST_NGRAM + 1):
        if not any(map(eq, ids, ids[n:])):
            continue
        period = 0
        for one, other in zip(ids, ids[n:], strict=False):
            period = period + 1 if one == other else 0
            most = max(most, 1 + period // n)
    return most
