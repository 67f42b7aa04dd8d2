"""What may follow a noun in a Korean word: particles, one after the other, and forms of "to be".

By their looks alone: of a noun of one syllable, 지 with 도 is taken for 지도 ("map") too.
"""

import re

from rondo_tokenizers.particles import attach

_PARTICLES = "께서 께서는 에게서 한테서 로서 으로서 로써 으로써 로부터 으로부터 라도 이라도 조차 마저 밖에 뿐 만큼 이란"
_TO_BE = "입니다 입니까 이다 이었다 였다 이었습니다 였습니다 이고 이며 이지만 인데 인지 이라고 라고"
_FURTHER = frozenset(f"{_PARTICLES} {_TO_BE}".split())
"""Besides the particles that `attach` knows; whatever is before them."""

_LONGEST = max(map(len, _FURTHER))
_MOST = 8
"""Syllables, so that of a text without spaces only so much is looked at."""

_REST = re.compile(rf"\w{{0,{_MOST + 1}}}")


def may_follow(noun: str, text: str, end: int) -> bool:
    """Whether a word of `text` that begins with `noun` has nothing behind its character `end` but what may be there."""
    rest = _REST.match(text, end)
    assert rest is not None
    return len(rest[0]) <= _MOST and _are_endings(noun, rest[0])


def _are_endings(before: str, rest: str) -> bool:
    if not rest:
        return True
    parts = ((rest[:length], rest[length:]) for length in range(1, min(len(rest), _LONGEST) + 1))
    return any(_is_ending(before, first) and _are_endings(first, others) for first, others in parts)


def _is_ending(before: str, ending: str) -> bool:
    if ending in _FURTHER:
        return True
    try:
        return attach(before, ending) == before + ending
    except ValueError:  # no particle
        return False
