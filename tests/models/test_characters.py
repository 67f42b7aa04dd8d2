"""Searches over a vocabulary with bytes against what UTF-8 itself says of them."""

from collections.abc import Sequence
from typing import Any

import pytest
import torch

from rondo_models.decoding.characters import Characters, Unfinished
from rondo_models.decoding.lanes import LaneState, Stepped
from rondo_models.decoding.parameters import BeamParameters
from rondo_models.decoding.scores import TableScores
from rondo_models.decoding.search import Search, advance_searches, begin_search
from rondo_models.state import RecurrentState

END = 3
LETTERS = range(4, 8)
BYTES = range(8, 264)
SIZE = 264
AVOIDED = {"four": [4], "bytes": [*BYTES]}


@pytest.fixture(scope="module")
def characters() -> Characters:
    return Characters(BYTES, SIZE, AVOIDED)


def _spelling(ids: Sequence[int]) -> bytes:
    return b"".join(bytes([one - 8]) if one in BYTES else b"x" for one in ids)


def _is_text(content: bytes) -> bool:
    try:
        content.decode()
    except UnicodeDecodeError:
        return False
    return True


def _may_begin(content: bytes) -> bool:
    """Whether some text begins with this."""
    return _is_text(content) or any(
        _is_text(content + bytes((second, *later)))
        for second in (0x80, 0x90, 0xA0)
        for later in ((), (0x80,), (0x80, 0x80))
    )


def test_a_byte_may_come_where_some_text_goes_on_with_it(characters: Characters) -> None:
    begun: list[tuple[bytes, Unfinished | None]] = [(b"", None)]
    for length in range(4):
        longer: list[tuple[bytes, Unfinished | None]] = []
        for content, before in begun:
            for value in range(256):
                may_come = characters.may_come(before, BYTES[value])
                assert may_come == _may_begin(content + bytes([value]))
                after = characters.after(before, BYTES[value])
                if may_come and after is not None and (length == 0 or value in (0x80, 0x9F, 0xA0, 0xBF)):
                    longer.append((content + bytes([value]), after))
        begun = longer
    assert not begun


def test_what_may_not_come_is_what_is_avoided(characters: Characters) -> None:
    begins = characters.after(None, BYTES[0xE2])
    assert begins is not None
    for before, avoid in ((None, characters.between("")), (begins, begins.avoid)):
        avoided = [one for one in range(SIZE) if not characters.may_come(before, one)]
        assert sorted(characters.avoidable[avoid]) == avoided
    assert set(characters.avoidable[characters.between("four")]) == {4, *characters.avoidable[characters.between("")]}
    assert not characters.may_come(begins, END)
    assert not characters.may_come(begins, 4)


@pytest.mark.parametrize("text", ["", "a", "é", "₂", "😀", "a₂é"])
def test_the_bytes_of_a_character_that_is_cut_off_are_left_out(characters: Characters, text: str) -> None:
    ids = [BYTES[value] for value in text.encode()]
    for length in range(len(ids) + 1):
        expected = text.encode()[:length].decode(errors="ignore").encode()
        assert _spelling(characters.whole(ids[:length])) == expected


def _run(searches: Sequence[Search], characters: Characters, seed: int) -> None:
    """All in one lane, by a model that hardly knows how bytes go together, and often wants one byte again."""
    avoidable = {name: torch.tensor(ids) for name, ids in characters.avoidable.items()}
    generator = torch.Generator().manual_seed(seed)
    favourites = torch.randint(8, SIZE, (12,), generator=generator)
    running = list(searches)
    while running:
        scores = torch.randn(sum(search.num_rows for search in running), SIZE, generator=generator)
        scores[:, favourites] += 3.0
        scores[:, 8 + 0xC2 : 8 + 0xF5] += 1.0
        state = LaneState(RecurrentState((torch.zeros(1, len(scores), 1),)))
        attention = torch.rand(len(scores), 2, generator=generator)
        advance_searches(Stepped(TableScores(scores.log_softmax(dim=-1), avoidable), state, attention), running)
        running = [search for search in running if not search.done]


_CHANGES: list[dict[str, Any]] = [
    {},
    {"no_repeat_ngram": 1},
    {"no_repeat_ngram": 3, "max_repeats": 1},
    {"coverage_penalty": 0.1, "avoid": "four"},
    {"required": (((8 + 0xE2, 8 + 0x82, 8 + 0x82),), ((5, 6),))},
]


@pytest.mark.parametrize("changes", _CHANGES)
@pytest.mark.parametrize("longest", [1, 2, 5, 30])
def test_whatever_a_search_writes_is_text(characters: Characters, longest: int, changes: dict[str, Any]) -> None:
    """Bytes that make no character came out as U+FFFD, as in a translation of "CO₂ is a gas."."""
    parameters = [BeamParameters(beam, max_tokens=longest, num_best=beam, **changes) for beam in (1, 4, 1, 2)]
    for seed in range(8):
        searches = [
            begin_search(own, END, 2 if number > 1 else 0, characters=characters)
            for number, own in enumerate(parameters)
        ]
        _run(searches, characters, seed)
        for search in searches:
            assert search.finished
            for hypothesis in (*search.finished, *search.best()):
                assert _is_text(_spelling(hypothesis.ids))
                for (phrase,) in search.parameters.required:
                    assert _spelling(phrase) in _spelling(hypothesis.ids)
            for hypothesis in search.best():
                steps = len(hypothesis.ids) + (hypothesis.finish_reason == "stop")
                assert hypothesis.attention is None or len(hypothesis.attention) == steps


def test_without_bytes_nothing_changes() -> None:
    plain = Characters((), SIZE, AVOIDED)
    assert plain.avoidable == AVOIDED
    assert plain.between("four") == "four"
    assert plain.after(None, BYTES[0xE2]) is None


@pytest.mark.parametrize("beam", [1, 3])
def test_a_character_may_be_written_again_though_its_bytes_are_an_ngram(characters: Characters, beam: int) -> None:
    """With its last byte forbidden, the second CO₂ of a text would become CO₃."""
    parameters = BeamParameters(beam, max_tokens=9, no_repeat_ngram=3)
    search = begin_search(parameters, END, characters=characters)
    wanted = [BYTES[value] for value in "₂a₂".encode()] + [END]
    avoidable = {name: torch.tensor(ids) for name, ids in characters.avoidable.items()}
    for token in wanted:
        scores = torch.full((search.num_rows, SIZE), -20.0)
        scores[:, token] = -0.1
        state = LaneState(RecurrentState((torch.zeros(1, len(scores), 1),)))
        advance_searches(Stepped(TableScores(scores, avoidable), state), [search])
    assert _spelling(search.finished[0].ids).decode() == "₂a₂"
