"""What is kept of prompts, and what is found again."""

import pytest
import torch

from rondo_models.decoding.prompts import PromptState
from rondo_models.state import RecurrentState
from rondo_services.engine import prefix_cache
from rondo_services.engine.prefix_cache import PrefixCache


def _state(number: float) -> PromptState:
    return PromptState(RecurrentState((torch.full((1, 1, 2), number),)), None, torch.zeros(1, 2))


def _found(cache: PrefixCache[PromptState], *ids: int) -> tuple[int, float | None]:
    length, state = cache.longest("generation", ids)
    return length, None if state is None else float(state.lower.tensors[0][0, 0, 0])


def test_the_longest_known_prefix_is_found() -> None:
    cache: PrefixCache[PromptState] = PrefixCache(8)
    for number, ids in enumerate([(1, 2), (1, 2, 3, 4), (1, 3)]):
        cache.put("generation", ids, _state(number))
    assert _found(cache, 1, 2, 3, 4) == (4, 1.0)
    assert _found(cache, 1, 2, 3, 9) == (2, 0.0)
    assert _found(cache, 1, 3, 4) == (2, 2.0)
    assert _found(cache, 2, 1) == (0, None)
    assert cache.longest("another head", (1, 2)) == (0, None)


def test_what_was_not_used_for_long_is_forgotten() -> None:
    cache: PrefixCache[PromptState] = PrefixCache(2)
    cache.put("generation", (1,), _state(1))
    cache.put("generation", (2,), _state(2))
    assert _found(cache, 1) == (1, 1.0)
    cache.put("generation", (3,), _state(3))
    assert _found(cache, 2) == (0, None)
    assert (_found(cache, 1), _found(cache, 3), len(cache)) == ((1, 1.0), (1, 3.0), 2)


def test_a_cache_without_room_keeps_nothing() -> None:
    cache: PrefixCache[PromptState] = PrefixCache(0)
    cache.put("generation", (1,), _state(1))
    assert (_found(cache, 1), len(cache)) == ((0, None), 0)


def test_what_is_kept_again_takes_the_place_of_what_was() -> None:
    cache: PrefixCache[PromptState] = PrefixCache(2)
    for number in (1, 2, 3):
        cache.put("generation", (1, 2), _state(number))
    assert (_found(cache, 1, 2), len(cache)) == ((2, 3.0), 1)
    cache.put("generation", (3,), _state(4))
    cache.put("generation", (4,), _state(5))
    assert [_found(cache, *ids) for ids in ((1, 2), (3,), (4,))] == [(0, None), (1, 4.0), (1, 5.0)]


def test_a_prompt_that_is_known_as_a_whole_is_told_from_one_with_the_same_hash(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prefix_cache, "_prefix_hashes", lambda ids: [0] * (len(ids) + 1))
    cache: PrefixCache[PromptState] = PrefixCache(2)
    cache.put("generation", (1, 2), _state(1))
    assert _found(cache, 3, 4) == (0, None)
    cache.put("generation", (3, 4), _state(2))
    assert [_found(cache, *ids) for ids in ((1, 2), (3, 4))] == [(0, None), (2, 2.0)]


def test_long_prompts_leave_room_for_fewer() -> None:
    """A thousand prompts of 20,000 tokens took 0.8 GB."""
    cache: PrefixCache[PromptState] = PrefixCache(4)
    prompts = [(number, *range(2000)) for number in range(3)]
    for number, ids in enumerate(prompts):
        cache.put("generation", ids, _state(number))
    assert [_found(cache, *ids)[1] for ids in prompts] == [None, 1.0, 2.0]
    cache.put("generation", tuple(range(5000)), _state(9))
    assert len(cache) == 0
