"""Which release answers which request."""

import asyncio
from collections.abc import Iterator

import pytest

from rondo_services.errors import InvalidInput, RondoError, UnknownModel
from rondo_services.generation.continuation import StateSealer
from rondo_services.releases.binding import Binding, request_binding
from rondo_services.releases.fleet import Fleet
from rondo_services.releases.names import ModelName, check_bundle_name
from rondo_services.releases.release import Release
from rondo_services.releases.slot import Slot

from .conftest import MakeRelease

FIRST, SECOND, THIRD = "a" * 64, "b" * 64, "c" * 64


@pytest.fixture
def fleet(make_release: MakeRelease) -> Fleet:
    """Two names; the first has no sentiment, and a canary."""
    slot = Slot("one", make_release(FIRST, "one", ["generation", "translation"]))
    slot.canary, slot.canary_share = make_release(SECOND, "one", ["generation", "translation"]), 0.25
    return Fleet([slot, Slot("two", make_release(THIRD, "two"))])


@pytest.fixture
def binding() -> Iterator[Binding]:
    own = Binding(request_id=b"1")
    token = request_binding.set(own)
    yield own
    request_binding.reset(token)


def asked_for(fleet: Fleet, service: str | None, model: str | None = None, header: str | None = None) -> str:
    """The fingerprint of what answers a request of its own."""
    token = request_binding.set(Binding(header, b"1"))
    try:
        return fleet.suite_for(service, model).contents.fingerprint
    finally:
        request_binding.reset(token)


def test_without_a_name_the_first_that_has_the_service_answers(fleet: Fleet) -> None:
    assert fleet.services == ["sentiment", "generation", "summarization", "translation"]
    assert asked_for(fleet, "sentiment") == THIRD
    assert asked_for(fleet, "translation") in (FIRST, SECOND)
    assert asked_for(fleet, None) in (FIRST, SECOND)


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("two", {THIRD}),
        ("two/translation", {THIRD}),
        (f"two@{THIRD}", {THIRD}),
        (f"one@{FIRST[:8]}", {FIRST}),
        (f"one@{SECOND[:12]}/translation", {SECOND}),
        ("one", {FIRST, SECOND}),
        ("translation", {FIRST, SECOND}),
    ],
)
def test_names_mean_releases(fleet: Fleet, model: str, expected: set[str]) -> None:
    for way in ({"model": model}, {"header": model}, {"model": model, "header": model}):
        assert asked_for(fleet, "translation", **way) in expected


@pytest.mark.parametrize(
    "model", ["", "@", "three", "one@", f"one@{FIRST[:7]}", f"one@{THIRD}", "one/sentiment", "two/", "/translation",
              "sentiment", f"@{FIRST}", "a/two/translation", "two/translation/x"],
)  # fmt: skip
def test_other_names_mean_none(fleet: Fleet, model: str) -> None:
    for way in ({"model": model}, {"header": model}):
        with pytest.raises(UnknownModel) as raised:
            asked_for(fleet, "translation", **way)
        assert repr(model) in raised.value.message
        assert "choose among one" in raised.value.message


def test_a_header_and_a_body_that_name_different_ones_are_refused(fleet: Fleet) -> None:
    assert asked_for(fleet, "translation", f"one@{FIRST}", "one") == FIRST
    with pytest.raises(InvalidInput, match="is not of 'two'"):
        asked_for(fleet, "translation", "one", "two")


def test_a_request_stays_with_its_release_and_counts_until_its_end(
    fleet: Fleet, binding: Binding, make_release: MakeRelease
) -> None:
    slot = fleet.default
    fleet.suite_for("translation", f"one@{FIRST}")
    first = slot.current
    assert (binding.release, first.num_requests) == (first, 1)
    slot.current, slot.canary = make_release("d" * 64, "one", ["generation", "translation"]), None
    assert fleet.suite_for("translation") is first.suite
    assert first.num_requests == 1
    binding.end()
    assert first.num_requests == 0


def test_a_state_goes_home(fleet: Fleet, binding: Binding) -> None:
    for release in (fleet.default.canary, fleet.default.current, fleet.slots["two"].current):
        assert release is not None
        state = StateSealer("key", release.fingerprint).seal(7, b"state")
        binding.end()
        assert fleet.suite_for("generation", None, state) is release.suite
    of_two = StateSealer("key", THIRD).seal(7, b"state")
    binding.end()
    assert fleet.suite_for("generation", "one", of_two) is not fleet.slots["two"].current.suite
    strange = StateSealer("another key", FIRST).seal(7, b"state")
    binding.end()
    assert fleet.suite_for("generation", None, strange).name == "one", "where it is refused"


def test_a_share_is_even_and_grows_without_changing_sides(fleet: Fleet) -> None:
    slot = fleet.default
    ids = [f"request-{number}".encode() for number in range(4000)]

    def of_canary(share: float) -> set[bytes]:
        slot.canary_share = share
        return {own for own in ids if slot.chosen(own) is slot.canary}

    few, many = of_canary(0.1), of_canary(0.5)
    assert 300 < len(few) < 500
    assert 1800 < len(many) < 2200
    assert few < many
    assert [slot.share_of(release) for release in slot.releases] == [0.5, 0.5]


def test_a_canary_whose_engine_is_down_gets_nothing(fleet: Fleet) -> None:
    slot = fleet.default
    assert slot.canary is not None
    slot.canary_share = 0.99
    assert slot.chosen(b"1") is slot.canary
    slot.canary.suite.engine.is_alive = False  # type: ignore[misc]
    assert slot.chosen(b"1") is slot.current


def test_places_are_kept_with_what_answers(fleet: Fleet, binding: Binding, make_release: MakeRelease) -> None:
    def kept(release: Release) -> int:
        return int(release.suite.engine.num_kept)  # type: ignore[attr-defined]

    with fleet.places(3):
        pass
    assert [kept(own) for slot in fleet.slots.values() for own in slot.releases] == [0, 0, 0]
    fleet.suite_for("sentiment")
    with fleet.places(3):
        pass
    assert kept(fleet.slots["two"].current) == 3
    alone = make_release(FIRST)
    binding.end()
    with Fleet.of(alone.suite).places(2):
        pass
    assert kept(alone) == 2, "of the only one at once"


def test_what_is_lent_counts_by_itself(fleet: Fleet, binding: Binding) -> None:
    two = fleet.slots["two"].current
    fleet.suite_for("sentiment")
    binding.end()
    with fleet.lent("sentiment") as suite:
        assert suite is two.suite
        assert fleet.suite_for("sentiment") is suite
        assert two.num_requests == 1
    assert (two.num_requests, request_binding.get()) == (0, binding)


def test_a_release_is_idle_once_its_last_request_has_ended(make_release: MakeRelease) -> None:
    async def wait() -> list[str]:
        release, seen = make_release(FIRST), []
        release.hold()
        release.hold()
        waiting = asyncio.create_task(release.until_idle(60))
        for _ in range(2):
            await asyncio.sleep(0)
            seen.append("busy" if not waiting.done() else "idle")
            release.let_go()
        await waiting
        release.hold()
        await release.until_idle(0.01)
        return [*seen, str(release.num_requests)]

    assert asyncio.run(wait()) == ["busy", "busy", "1"]


@pytest.mark.parametrize("name", ["sentiment", "", "a/b", "a@b", "-a", "a b", "a" * 65, "ä"])
def test_names_that_could_be_something_else_are_refused(name: str) -> None:
    with pytest.raises(RondoError, match="can't be served as"):
        check_bundle_name(name)
    assert check_bundle_name("a.b-C_1") == "a.b-C_1"


def test_parts_of_names() -> None:
    assert ModelName.of("sentiment") == ModelName(service="sentiment")
    assert ModelName.of("one@ab/x") == ModelName("one", "ab", "x")
