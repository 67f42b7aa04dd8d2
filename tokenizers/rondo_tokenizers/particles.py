"""Korean particles: told from the word before them, and attached to another word in the form that it asks for.

A particle may have two forms, for a consonant and for a vowel before it. What a word ends in is known of Hangul alone:
after anything else a particle keeps the form that it has.
"""

_SYLLABLES = range(ord("가"), ord("힣") + 1)
_NUM_FINALS = 28
_RIEUL = 8

_FORMS = (
    ("은", "는"),
    ("이", "가"),
    ("을", "를"),
    ("과", "와"),
    ("으로", "로"),
    ("으로는", "로는"),
    ("이랑", "랑"),
    ("이나", "나"),
    ("이라", "라"),
    ("이라는", "라는"),
    ("이야", "야"),
    ("이에요", "예요"),
)
"""After a consonant, after a vowel."""

_UNCHANGING = (
    *("의", "에", "에서", "에는", "에서는", "에서만", "에도", "에게", "에다", "에다가", "엔", "한테", "께"),
    *("도", "만", "까지", "부터", "하고", "보다", "처럼", "마다", "들", "들은", "들을", "들이"),
)
_SHORTEST_WORD = 2
"""Syllables before a particle; in shorter words it would too often be a part of the word itself."""

_FORMS_OF = {form: forms for forms in _FORMS for form in forms} | {form: (form, form) for form in _UNCHANGING}
_LONGEST_FIRST = sorted(_FORMS_OF, key=len, reverse=True)


def ends_in_hangul(word: str) -> bool:
    """Whether the form of a particle after `word` is known."""
    return ord(word[-1]) in _SYLLABLES


def _fitting(word: str, particle: str) -> str:
    """The particle's form after `word`; ㄹ counts as a vowel before 으로."""
    if not ends_in_hangul(word):
        return particle
    after_consonant, after_vowel = _FORMS_OF[particle]
    final = (ord(word[-1]) - _SYLLABLES.start) % _NUM_FINALS
    is_consonant = final != 0 and not (final == _RIEUL and after_consonant.startswith("으로"))
    return after_consonant if is_consonant else after_vowel


def split(word: str) -> tuple[str, str]:
    """A word without its particle, and the particle; "" if it has none.

    By their looks alone: 고양이 ("cat") is taken for 고양 with 이.
    """
    for particle in _LONGEST_FIRST:
        stem = word.removesuffix(particle)
        if stem != word and len(stem) >= _SHORTEST_WORD and _fitting(stem, particle) == particle:
            return stem, particle
    return word, ""


def attach(word: str, particle: str) -> str:
    """The word with the particle, which may be given in either form.

    Raises:
        ValueError: no such particle.
    """
    if particle == "":
        return word
    if particle not in _FORMS_OF:
        raise ValueError(f"{particle!r} is no Korean particle that is known here")
    return word + _fitting(word, particle)
