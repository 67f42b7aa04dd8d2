"""Constrained search against enumeration, and against a regular expression's idea of what a target holds."""

import functools
import itertools
import random
import re
from collections.abc import Callable, Sequence

import pytest
import torch

from rondo_models.decoding.beam import BeamSearch
from rondo_models.decoding.parameters import BeamParameters
from rondo_models.decoding.phrases import RequiredPhrases, WordPieces
from rondo_models.decoding.search import Search, begin_search

END = 3
SYMBOLS = (4, 5, 6, 7, 8)
Phrases = tuple[tuple[tuple[int, ...], ...], ...]


def _letters(ids: Sequence[int]) -> str:
    return "".join(chr(ord("a") + identifier) for identifier in ids)


def _holds(ids: Sequence[int], phrases: Phrases, words: WordPieces | None = None) -> bool:
    """Whether the spellings found from left to right, the longest first, can be shared out among the phrases.

    None counts inside of a word, and one that a word goes on behind is wrong.
    """

    def is_inside(place: int) -> bool:
        return (
            words is not None and 0 < place < len(ids) and ids[place - 1] in words.ends and ids[place] in words.goes_on
        )

    spellings = sorted({_letters(spelling) for phrase in phrases for spelling in phrase}, key=lambda s: -len(s))
    pattern, text = re.compile("|".join(spellings)), _letters(ids)
    found: list[str] = []
    place = 0
    while place < len(ids):
        match = None if is_inside(place) else pattern.match(text, place)
        place = place + 1 if match is None else match.end()
        if match is not None:
            found.append(match.group())
            if is_inside(place):
                return False
    if len(found) != len(phrases):
        return False
    texts = [{_letters(spelling) for spelling in phrase} for phrase in phrases]
    return any(
        all(spelling in text for spelling, text in zip(found, order, strict=True))
        for order in itertools.permutations(texts)
    )


def _random_phrases(rng: random.Random, symbols: Sequence[int], most: int = 3) -> Phrases:
    """Over few symbols, so that phrases overlap, hold each other, repeat and share spellings."""

    def spelling() -> tuple[int, ...]:
        return tuple(rng.choices(symbols, k=rng.choice([1, 1, 2, 2, 3])))

    known = [spelling() for _ in range(3)]
    return tuple(
        tuple({rng.choice([spelling(), *known]) for _ in range(rng.choice([1, 1, 2]))})
        for _ in range(rng.randint(1, most))
    )


@functools.cache
def _log_probabilities(seed: int, written: tuple[int, ...]) -> dict[int, float]:
    generator = torch.Generator().manual_seed(hash((seed, written)) % (1 << 31))
    scores = torch.randn(len(SYMBOLS) + 1, generator=generator).mul(2).log_softmax(dim=-1)
    return dict(zip((*SYMBOLS, END), scores.tolist(), strict=True))


Scores = Callable[[tuple[int, ...]], dict[int, float]]


def _run(search: Search, scores_of: Scores) -> BeamSearch:
    assert isinstance(search, BeamSearch)
    while not search.done:
        rows = []
        for row, hypothesis in enumerate(search.running):
            scores = scores_of(hypothesis.ids)
            likeliest = sorted(scores.items(), key=lambda option: -option[1])[: search.num_candidates]
            extra = search.needed[row] if search.needed else ()
            rows.append([*likeliest, *((token, scores[token]) for token in extra)])
        search.advance(rows)
    return search


def _total(scores_of: Scores, ids: tuple[int, ...], *, ended: bool) -> float:
    total = sum(scores_of(ids[:i])[token] for i, token in enumerate(ids))
    return total + (scores_of(ids)[END] if ended else 0.0)


def _random_words(rng: random.Random) -> WordPieces:
    """8 never goes on with a word, so that something may always come."""
    ends, goes_on = (frozenset(rng.sample(SYMBOLS[:4], rng.choice([0, 1, 2, 4]))) for _ in range(2))
    return WordPieces(ends, goes_on)


@pytest.mark.parametrize("seed", range(60))
def test_what_is_met_is_what_a_regular_expression_finds(seed: int) -> None:
    rng = random.Random(seed)
    phrases, words = _random_phrases(rng, SYMBOLS[:3]), _random_words(rng)
    required = RequiredPhrases(phrases, words)
    for length in range(7):
        for ids in itertools.product(SYMBOLS[:4], repeat=length):
            progress = required.start
            for token in ids:
                after = required.read(progress, token)
                if after is None:
                    break
                progress = after
            else:
                assert required.are_met(progress) == _holds(ids, phrases, words), (phrases, words, ids)
                continue
            assert not _holds(ids, phrases, words), (phrases, words, ids)


@pytest.mark.parametrize("seed", range(60))
def test_from_everywhere_the_missing_can_be_written_in_the_room_that_is_promised(seed: int) -> None:
    rng = random.Random(seed)
    required = RequiredPhrases(_random_phrases(rng, SYMBOLS[:3]), _random_words(rng))
    for _ in range(40):
        progress = required.start
        for _ in range(rng.randint(0, 8)):
            progress = required.read(progress, rng.choice(SYMBOLS)) or progress
        room = required.room(progress)
        assert room >= required.missing(progress)
        assert required.room(progress) > 0 or required.are_met(progress)
        while room:
            ways = [after for token in SYMBOLS if (after := required.read(progress, token)) is not None]
            progress = min(ways, key=required.room)
            assert required.room(progress) < room
            room = required.room(progress)
        assert required.are_met(progress)


@pytest.mark.parametrize("seed", range(12))
def test_a_beam_as_wide_as_the_space_finds_the_best_by_enumeration(seed: int) -> None:
    """The best is short of the longest target, near which phrases are forced that might still have come later."""
    symbols, longest = SYMBOLS[:3], 7
    phrases = tuple(tuple(spelling[:2] for spelling in p) for p in _random_phrases(random.Random(seed), symbols[:2], 2))

    def scores(written: tuple[int, ...]) -> dict[int, float]:
        own = {token: score for token, score in _log_probabilities(seed, written).items() if token in (*symbols, END)}
        return (
            {**own, END: -3.0} if len(written) < 3 else {token: score - 6 for token, score in own.items()} | {END: -0.1}
        )

    parameters = BeamParameters(3**longest, max_tokens=longest, length_penalty=0.5, required=phrases)
    found = _run(begin_search(parameters, END), scores).best()[0]
    best, ids = max(
        (_total(scores, ids, ended=True) / ((6 + length) / 6) ** 0.5, ids)
        for length in range(longest)
        for ids in itertools.product(symbols, repeat=length)
        if _holds(ids, phrases)
    )
    assert len(ids) <= longest - 2
    assert found.ids == ids
    assert found.score == pytest.approx(best)


@pytest.mark.parametrize("beam", [1, 2, 5])
@pytest.mark.parametrize("ngram", [0, 2])
@pytest.mark.parametrize("seed", range(25))
def test_whatever_finishes_holds_each_phrase_as_often_as_required(seed: int, ngram: int, beam: int) -> None:
    rng = random.Random(seed)
    phrases, words = _random_phrases(rng, SYMBOLS[:3]), _random_words(rng)
    parameters = BeamParameters(
        beam, max_tokens=rng.choice([1, 4, 12]), no_repeat_ngram=ngram, required=phrases, max_repeats=rng.choice([0, 1])
    )
    search = begin_search(parameters, END, words=words)
    scores = functools.partial(_log_probabilities, seed)
    _run(search, scores)
    assert search.finished
    for hypothesis in search.finished:
        assert _holds(hypothesis.ids, phrases, words), (phrases, words, hypothesis.ids)
        ended = hypothesis.finish_reason == "stop"
        assert hypothesis.log_probability == pytest.approx(_total(scores, hypothesis.ids, ended=ended))


def test_a_shared_spelling_stands_for_the_phrase_that_would_be_longer() -> None:
    required = RequiredPhrases([((4, 5), (6,)), ((4, 5),)])
    progress = required.start
    for token in (4, 5):
        after = required.read(progress, token)
        assert after is not None
        progress = after
    assert required.missing(progress) == 1
    met = required.read(progress, 6)
    assert met is not None
    assert required.are_met(met)
    assert required.read(met, 6) is None


def test_the_longest_target_grows_with_what_is_required() -> None:
    parameters = BeamParameters(1, max_tokens=2, required=(((4, 5, 6),), ((7, 8),)))
    best = _run(begin_search(parameters, END), functools.partial(_log_probabilities, 1)).best()[0]
    assert _holds(best.ids, parameters.required)
    assert 5 <= len(best.ids) <= 6


def test_a_word_ends_even_if_all_that_is_likely_goes_on_with_it() -> None:
    words = WordPieces(frozenset([4]), frozenset(range(10, 200)))
    search = begin_search(BeamParameters(1, max_tokens=9, required=(((4,),),)), END, words=words)
    search.advance([[(4, -0.1)]])
    assert search.needed == [[END]]
    search.advance([[(token, -1.0) for token in range(10, 10 + search.num_candidates)] + [(END, -20.0)]])
    assert [(hypothesis.ids, hypothesis.finish_reason) for hypothesis in search.finished] == [((4,), "stop")]


def test_a_phrase_that_may_not_begin_inside_of_a_word_asks_for_a_space() -> None:
    required = RequiredPhrases([((5, 6),)], WordPieces(frozenset([5, 6, 9]), frozenset([5, 6]), space=7))
    behind_word = required.read(required.start, 9)
    assert behind_word is not None
    assert (required.missing(required.start), required.missing(behind_word)) == (2, 3)
    assert required.next_tokens(required.start) == [5]
    assert required.next_tokens(behind_word) == [7]
    inside = required.read(behind_word, 5)
    assert inside is not None
    assert inside.pending == ()
    apart = required.read(behind_word, 7)
    assert apart is not None
    assert required.next_tokens(apart) == [5]


def test_phrases_that_are_words_of_one_token_are_offered() -> None:
    """The space that a second number needs behind the first hid that the first brings it nearer: none was ever offered,
    and the search ended with nothing."""
    words = WordPieces(frozenset([5, 6]), frozenset([5, 6]), space=7)
    required = RequiredPhrases([((5,),), ((6,),)], words)
    assert required.next_tokens(required.start) == [5, 6]
    search = begin_search(BeamParameters(2, max_tokens=4, required=(((5,),), ((6,),))), END, words=words)
    for _ in range(6):
        if search.done:
            break
        likely = [(8, -0.1), (9, -0.2), (END, -0.3)]
        search.advance([[*likely, *((token, -9.0) for token in needed)] for needed in search.needed])
    assert search.finished
    assert all({5, 6} <= set(hypothesis.ids) for hypothesis in search.finished)
