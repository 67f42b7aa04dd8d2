"""What may follow a term in a Korean word: particles, one after the other, forms of "to be", and verbs as 하다.

By their looks alone: of a noun of one syllable, 지 with 도 is taken for 지도 ("map") too,
and 한국 ("Korea") with 인 for 한국인 ("a Korean").
"""

import re

from rondo_tokenizers.particles import attach

_PARTICLES = "께서 께서는 에게서 한테서 로서 으로서 로써 으로써 로부터 으로부터 조차 마저 밖에 뿐 만큼 같이 씩 째 쯤"
"""Besides those that `attach` knows."""

_BARE = "다 고 며 면 면서 므로 니까 지만 지요 죠 거나 든지 네 네요 군요 구나 세요 십니다"
"""Endings of 이다, "to be", whose 이 may go after a vowel; behind one syllable they look like those of a verb."""

_QUOTING = "라고 라고는 라는 라면 라서 라도 라며 라니 란 야말로"
"""Such endings that no verb has."""

_WITH_STEM = "기 자 지 던 든 에요 어서 어야 시다 시고 시며 시면 시지만 신 셨다 셨습니다 셨던"
_PAST = "다 습니다 습니까 고 으며 으면 으므로 으니까 으나 지만 지요 죠 거나 던 는데 는지 을 을까 음 기 네요 군요 어요"
_CONTRACTED = "입니다 입니까 인데 인데요 인지 인가 인가요 일까 일까요 일지 일수록"


def _joined(stem: str, endings: str) -> frozenset[str]:
    return frozenset(stem + ending for ending in endings.split())


_BEHIND_ALL = frozenset(f"{_PARTICLES} {_CONTRACTED}".split()).union(
    _joined("이", f"{_BARE} {_QUOTING} {_WITH_STEM}"), _joined("이었", _PAST)
)
_BEHIND_VOWELS = _joined("였", _PAST).union(f"{_QUOTING} 여서 여야".split())
_BEHIND_LONGER = frozenset({"인", "일", "임", "대로"})
"""Behind one syllable they are too often a part of the word itself, as in 책임, "responsibility"."""
_BEHIND_LONGER_VOWELS = frozenset(_BARE.split())

_VERB = re.compile(
    "하|해|했|할|한|합|함|되|돼|됐|된|될|됩|됨|시키|시켜|시켰|시킬|시킨|받|당하|당해|당한|당했|"
    "주세|주시|주실|줘|줬|줄래|줄게|드려|드릴|드립|드리"
)
"""Beginnings of 하다, "to do", 되다, "to become", and the like, which make a verb of a word of several syllables."""

_LONGEST = max(map(len, _BEHIND_ALL | _BEHIND_VOWELS))
_MOST = 8
"""Syllables, so that of a text without spaces only so much is looked at."""

_REST = re.compile(rf"\w{{0,{_MOST + 1}}}")


def may_follow(noun: str, text: str, end: int) -> bool:
    """Whether a word of `text` that begins with `noun` has nothing behind its character `end` but what may be there."""
    if len(noun) > 1 and _VERB.match(text, end):
        return True
    rest = _REST.match(text, end)
    assert rest is not None
    return len(rest[0]) <= _MOST and _are_endings(noun, rest[0])


def _are_endings(before: str, rest: str) -> bool:
    if not rest:
        return True
    parts = ((rest[:length], rest[length:]) for length in range(1, min(len(rest), _LONGEST) + 1))
    return any(_is_ending(before, first) and _are_endings(before + first, others) for first, others in parts)


def _is_ending(before: str, ending: str) -> bool:
    is_longer = len(before) > 1
    if ending in _BEHIND_ALL or (is_longer and ending in _BEHIND_LONGER):
        return True
    if ending in _BEHIND_VOWELS or (is_longer and ending in _BEHIND_LONGER_VOWELS):
        return attach(before, "가") == before + "가"  # after a consonant it would be 이
    try:
        return attach(before, ending) == before + ending
    except ValueError:  # no particle
        return False
