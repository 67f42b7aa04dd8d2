"""A release takes the place of another in one step, or all stays as it was."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rondo_models.bundle import Bundle, save_bundle
from rondo_models.manifest import BundleError, read_contents
from rondo_services.engine.client import EngineUnavailable
from rondo_services.errors import BundleRefused, EngineFailed, EngineRestarted, RondoError, WrongState
from rondo_services.releases.fleet import Fleet
from rondo_services.releases.release import Release
from rondo_services.releases.rollout import Rollout
from rondo_services.releases.slot import Slot

from .conftest import MakeRelease


class World:
    """A slot over a folder with a bundle, a folder with another, and a launch that does what it is told."""

    def __init__(self, root: Path, bundle: Bundle, make_release: MakeRelease) -> None:
        self.first, self.second = root / "first", root / "second"
        save_bundle(self.first, bundle.manifest, bundle.model, bundle.tokenizer, "")
        self.make_release = make_release
        self.error: Exception | None = None
        self.may_go = asyncio.Event()
        self.may_go.set()
        self.asked: list[Sequence[str] | None] = []
        self.noted: list[tuple[str, bool]] = []
        self.exchanged: list[str] = []

    def start(self) -> None:
        self.slot = Slot("served", self._release(self.first))

        def noted(name: str, done: bool) -> None:
            self.noted.append((name, done))

        self.rollout = Rollout(Fleet([self.slot]), self._launch, 0.2, noted)

        async def exchanged() -> None:
            self.exchanged.append(self.slot.current.fingerprint)

        self.rollout.when_default_changes = exchanged

    def _release(self, folder: Path) -> Release:
        contents = read_contents(folder)
        suite = self.make_release(contents.fingerprint).suite
        named = replace(contents, manifest=replace(contents.manifest, name="served"))
        return Release(folder, folder.resolve(), replace(suite, contents=named))

    async def _launch(self, name: str, folder: Path, services: Sequence[str] | None) -> Release:
        self.asked.append(services)
        await self.may_go.wait()
        if self.error is not None:
            raise self.error
        return self._release(folder)


Run = Callable[[Callable[[World], Awaitable[None]]], None]


@pytest.fixture
def run(tmp_path: Path, bundle: Bundle, make_release: MakeRelease) -> Run:
    def with_world(test: Callable[[World], Awaitable[None]]) -> None:
        async def whole() -> None:
            world = World(tmp_path, bundle, make_release)
            _other_bundle(world.second, bundle)
            world.start()
            await test(world)
            await world.rollout.stop()

        asyncio.run(whole())

    return with_world


def _other_bundle(folder: Path, bundle: Bundle) -> None:
    save_bundle(folder, bundle.manifest, bundle.model, bundle.tokenizer + b" ", "")


def engine_of(release: Release) -> Any:
    return release.suite.engine


def test_the_old_engine_stops_after_its_last_request(run: Run) -> None:
    async def test(world: World) -> None:
        slot, old = world.slot, world.slot.current
        old.hold()
        assert await world.rollout.reload(slot, world.second) == "reload"
        assert slot.current is not old
        assert world.exchanged == [slot.current.fingerprint]
        assert world.asked == [list(old.suite.served())]
        assert slot.draining == [old]
        await asyncio.sleep(0.02)
        assert engine_of(old).is_alive
        old.let_go()
        await asyncio.sleep(0.02)
        assert not engine_of(old).is_alive
        assert slot.draining == []
        assert slot.former is not None
        assert (slot.former.folder, slot.folder) == (world.first, world.second)
        assert world.noted == [("served", True)]

    run(test)


def test_a_request_that_does_not_end_holds_it_up_no_longer_than_the_grace_period(run: Run) -> None:
    async def test(world: World) -> None:
        old = world.slot.current
        old.hold()
        await world.rollout.reload(world.slot, world.second)
        await asyncio.sleep(0.1)
        assert engine_of(old).is_alive
        await asyncio.sleep(0.2)
        assert not engine_of(old).is_alive

    run(test)


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (BundleError("no good"), BundleRefused),
        (EngineUnavailable("it hangs"), EngineFailed),
        (OSError("no memory"), EngineFailed),
        (EngineRestarted("it died of the first text"), EngineFailed),
        (KeyError("pairs"), BundleRefused),
    ],
)
@pytest.mark.parametrize("share", [None, 0.5])
def test_what_goes_wrong_leaves_all_as_it_was(
    run: Run, error: Exception, told: type[RondoError], share: float | None
) -> None:
    async def test(world: World) -> None:
        slot, old = world.slot, world.slot.current
        world.error = error
        with pytest.raises(told, match=str(error)):
            await world.rollout.reload(slot, world.second, share)
        assert (slot.releases, slot.folder, slot.former, slot.is_changing) == ([old], world.first, None, False)
        assert world.noted == [("served", False)]
        world.error = None
        assert await world.rollout.reload(slot, world.second) == "reload"

    run(test)


def test_the_same_bundle_is_no_change(run: Run) -> None:
    async def test(world: World) -> None:
        assert await world.rollout.reload(world.slot, world.first) == "unchanged"
        assert world.asked == []

    run(test)


def test_one_change_at_a_time(run: Run) -> None:
    async def test(world: World) -> None:
        world.may_go.clear()
        first = asyncio.create_task(world.rollout.reload(world.slot, world.second))
        while not world.asked:
            await asyncio.sleep(0.001)
        for change in (world.rollout.reload(world.slot, world.second), world.rollout.promote(world.slot)):
            with pytest.raises(WrongState, match="is being changed"):
                await change
        world.may_go.set()
        assert await first == "reload"

    run(test)


def test_a_server_that_ends_makes_nothing_more_ready(run: Run) -> None:
    async def test(world: World) -> None:
        world.may_go.clear()
        change = asyncio.create_task(world.rollout.reload(world.slot, world.second))
        while not world.asked:
            await asyncio.sleep(0.001)
        world.rollout.is_ending = lambda: True
        with pytest.raises(EngineFailed, match="the server is ending"):
            await change
        assert not world.slot.is_changing

    run(test)


def test_a_canary_is_promoted_or_dropped(run: Run) -> None:
    async def test(world: World) -> None:
        slot, old, rollout = world.slot, world.slot.current, world.rollout
        with pytest.raises(BundleRefused, match="could not be told from it"):
            await rollout.reload(slot, world.first, 0.1)
        assert await rollout.reload(slot, world.second, 0.1) == "canary"
        canary = slot.canary
        assert canary is not None
        assert (slot.current, slot.folder, world.exchanged) == (old, world.first, [])
        with pytest.raises(WrongState, match="has a canary"):
            await rollout.rollback(slot)
        rollout.drop_canary(slot)
        await asyncio.sleep(0.02)
        assert (engine_of(canary).is_alive, slot.canary, slot.canary_share) == (False, None, 0.0)
        for change in (rollout.drop_canary, lambda own: rollout.set_canary_share(own, 0.5)):
            with pytest.raises(WrongState, match="has no canary"):
                change(slot)
        await rollout.reload(slot, world.second, 0.1)
        canary = slot.canary
        assert canary is not None
        engine_of(canary).is_alive = False
        with pytest.raises(WrongState, match="is down; promote it once it is back, or drop it"):
            await rollout.promote(slot)
        assert slot.current is old
        engine_of(canary).is_alive = True
        assert await rollout.promote(slot) == "promote"
        assert (slot.current, slot.canary, slot.folder) == (canary, None, world.second)

    run(test)


def test_a_rollback_leads_to_what_was_and_to_nothing_else(run: Run, bundle: Bundle) -> None:
    async def test(world: World) -> None:
        slot, rollout = world.slot, world.rollout
        first = slot.current.fingerprint
        with pytest.raises(WrongState, match="has had no other release"):
            await rollout.rollback(slot)
        await rollout.reload(slot, world.second)
        second = slot.current.fingerprint
        assert await rollout.rollback(slot) == "rollback"
        assert (slot.current.fingerprint, slot.folder) == (first, world.first)
        assert await rollout.rollback(slot) == "rollback"
        assert slot.current.fingerprint == second
        _other_bundle(world.first, bundle)
        with pytest.raises(BundleRefused, match="Keep each release in a folder of its own"):
            await rollout.rollback(slot)
        assert slot.current.fingerprint == second

    run(test)


def test_a_link_is_followed_when_a_release_is_made_ready_and_kept_for_the_next(run: Run) -> None:
    async def test(world: World) -> None:
        slot, rollout, link = world.slot, world.rollout, world.first.parent / "link"
        first = slot.current.fingerprint
        link.symlink_to(world.first)
        assert await rollout.reload(slot, link) == "unchanged"
        assert (slot.folder, slot.current.folder) == (link, world.first)
        link.unlink()
        link.symlink_to(world.second)
        await rollout.reload(slot, link)
        assert (slot.folder, slot.current.folder) == (link, world.second)
        await rollout.rollback(slot)
        assert (slot.current.fingerprint, slot.folder, slot.current.folder) == (first, link, world.first)

    run(test)


def test_all_are_read_anew_and_what_is_wrong_is_told(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    async def test(world: World) -> None:
        (world.first / "manifest.json").write_text("{}")
        with caplog.at_level("INFO", "rondo"):
            await world.rollout.reload_all()
        assert "schema version None" in caplog.text
        assert "goes on with served@" in caplog.text

    run(test)


def test_what_is_being_changed_is_read_anew_after_that(run: Run) -> None:
    """A reload that came meanwhile, as by SIGHUP, was lost."""

    async def test(world: World) -> None:
        world.may_go.clear()
        link = world.first.with_name("link")
        link.symlink_to(world.second)
        change = asyncio.create_task(world.rollout.reload(world.slot, link))
        while not world.asked:
            await asyncio.sleep(0.001)
        link.unlink()
        link.symlink_to(world.first)
        again = asyncio.create_task(world.rollout.reload_all())
        await asyncio.sleep(0.05)
        assert not again.done()
        world.may_go.set()
        assert await change == "reload"
        await again
        assert world.slot.current.fingerprint == read_contents(world.first).fingerprint
        assert world.noted == [("served", True), ("served", True)]

    run(test)


def test_at_the_end_all_engines_stop(run: Run) -> None:
    async def test(world: World) -> None:
        old = world.slot.current
        old.hold()
        await world.rollout.reload(world.slot, world.second)
        await world.rollout.stop()
        assert not engine_of(old).is_alive
        assert not engine_of(world.slot.current).is_alive

    run(test)
