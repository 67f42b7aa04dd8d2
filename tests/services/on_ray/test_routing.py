"""Who gets a request."""

import random
from collections import Counter
from dataclasses import dataclass

from rondo_models.decoding.parameters import SamplingParameters
from rondo_services.engine.requests import Classify, Generate, Work
from rondo_services.on_ray.routing import Router

PARAMETERS = SamplingParameters(max_tokens=4)
TEXT = Classify("sentiment", (4, 3))


@dataclass(eq=False)
class Fake:
    """An engine with so many requests."""

    load: int = 0
    is_usable: bool = True


def _prompt(*ids: int) -> Generate:
    return Generate("generation", ids, PARAMETERS)


def _router(capacity: int = 100) -> Router[Fake]:
    return Router(capacity, random.Random(1))


def _chosen(router: Router[Fake], work: Work, engines: list[Fake]) -> tuple[int, bool]:
    engine, is_known = router.choose(work, engines)
    return engines.index(engine), is_known


def test_the_less_busy_of_two_is_chosen() -> None:
    engines = [Fake(3), Fake(2)]
    assert {_chosen(_router(), TEXT, engines) for _ in range(20)} == {(1, False)}


def test_the_busiest_of_many_is_never_chosen_and_the_others_share() -> None:
    router, engines = _router(), [Fake(9), *(Fake() for _ in range(9))]
    counts = Counter(_chosen(router, TEXT, engines)[0] for _ in range(900))
    assert set(counts) == set(range(1, 10))
    assert max(counts.values()) < 2 * min(counts.values())


def test_a_prompt_goes_where_its_beginning_was_read() -> None:
    router, engines = _router(), [Fake(), Fake(), Fake()]
    beginning = tuple(range(10))
    first, is_known = _chosen(router, _prompt(*beginning), engines)
    assert not is_known
    engines[first].load = 5
    assert _chosen(router, _prompt(*beginning, 50, 51), engines) == (first, True)
    assert _chosen(router, _prompt(*beginning), engines) == (first, True)
    assert _chosen(router, _prompt(*beginning[:9], 60), engines)[1] is False


def test_unless_it_is_much_busier() -> None:
    router, engines = _router(), [Fake(), Fake()]
    prompt = _prompt(*range(10))
    first, _ = _chosen(router, prompt, engines)
    engines[first].load = 8
    assert _chosen(router, prompt, engines) == (first, True)
    engines[first].load = 9
    other = 1 - first
    assert _chosen(router, prompt, engines) == (other, False)
    engines[other].load = engines[first].load = 0
    assert _chosen(router, prompt, engines) == (other, True), "it was read there last"


def test_short_beginnings_states_and_gone_engines_do_not_count() -> None:
    router, engines = _router(), [Fake(), Fake()]
    for _ in range(2):
        assert _chosen(router, _prompt(*range(7)), engines)[1] is False
    going_on = Generate("generation", tuple(range(10)), PARAMETERS, state=b"state")
    for _ in range(2):
        assert _chosen(router, going_on, engines)[1] is False
    gone, _ = _chosen(router, _prompt(*range(10)), engines)
    engines[gone].is_usable = False
    assert _chosen(router, _prompt(*range(10)), [Fake(), Fake()])[1] is False


def test_without_room_nothing_is_remembered() -> None:
    router, engines = _router(capacity=0), [Fake(), Fake()]
    assert {_chosen(router, _prompt(*range(10)), engines)[1] for _ in range(5)} == {False}
