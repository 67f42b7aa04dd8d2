"""How a release takes the place of another: it is made ready beside it, takes over in one step, and the other drains.

Whatever goes wrong before that step leaves all as it was.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Literal

from rondo_models.manifest import BundleError, Contents, read_contents

from ..engine.client import EngineUnavailable
from ..errors import BundleRefused, EngineFailed, InvalidInput, RondoError, WrongState
from .fleet import Fleet
from .release import Release
from .slot import Former, Slot

logger = logging.getLogger("rondo")

Change = Literal["reload", "canary", "promote", "rollback", "unchanged"]
Launch = Callable[[str, Path, Sequence[str] | None], Awaitable[Release]]
"""Makes a release ready: of a served name, from a folder, with these services, or with all that there are. Raises
BundleError, InvalidInput and EngineUnavailable."""

_LOOK_EVERY_S = 0.2
_STOP_S = 1.0
"""An engine has no request by then that anybody may still wait for."""


class Rollout:
    """Changes the releases of a fleet, one change of a slot at a time.

    Args:
        grace_s: how long a release that has been replaced may finish what it has in hand.
        noted: is told of each change that was tried, with the name, and whether it succeeded.

    Attributes:
        when_default_changes: called when another release has begun to answer for the default name.
        is_ending: whether the server is, and nothing more is to be made ready.
    """

    def __init__(
        self, fleet: Fleet, launch: Launch, grace_s: float, noted: Callable[[str, bool], None] = lambda name, ok: None
    ) -> None:
        self.when_default_changes: Callable[[], Awaitable[None]] | None = None
        self.is_ending: Callable[[], bool] = lambda: False
        self._fleet = fleet
        self._launch = launch
        self._grace_s = grace_s
        self._noted = noted
        self._tasks: set[asyncio.Task[None]] = set()

    async def reload(self, slot: Slot, folder: Path, canary_share: float | None = None) -> Change:
        """Have the bundle in a folder answer, or, as a canary, a share of the requests.

        Raises:
            BundleRefused: it can't be used, or not under this name.
            EngineFailed: its engine could not be started.
            WrongState: the slot is being changed, or has a canary.
        """
        with self._alone(slot):
            _check_no_canary(slot)
            contents = await self._contents(folder)
            if canary_share is None:
                if _same_bundle(contents, slot.current):
                    slot.current.given = folder
                    return "unchanged"
                await self._take_over(slot, await self._launched(slot, folder))
                return "reload"
            if contents.fingerprint == slot.current.fingerprint:
                raise BundleRefused(
                    f"{folder} has the fingerprint of the current release, {slot.current.hash}: a canary could not be "
                    "told from it"
                )
            slot.canary, slot.canary_share = await self._launched(slot, folder), canary_share
            logger.info("%s@%s gets %g of the requests", slot.name, slot.canary.hash, canary_share)
            return "canary"

    async def promote(self, slot: Slot) -> Change:
        """Have the canary answer all requests.

        Raises:
            WrongState: there is none, its engine is down, or the slot is being changed.
        """
        with self._alone(slot):
            canary = _canary_of(slot)
            if not canary.suite.engine.is_alive:
                raise WrongState(
                    f"the engine of the canary, {canary.hash}, is down; promote it once it is back, or drop it"
                )
            await self._take_over(slot, canary)
            return "promote"

    async def rollback(self, slot: Slot) -> Change:
        """Have the release answer that was current before; its folder has to be as it was.

        Raises as `reload`, and WrongState if there was none.
        """
        with self._alone(slot):
            _check_no_canary(slot)
            former = slot.former
            if former is None:
                raise WrongState(f"{slot.name} has had no other release since the server started")
            contents = await self._contents(former.folder)
            if contents.fingerprint != former.fingerprint:
                raise BundleRefused(
                    f"{former.folder} has another bundle by now, {contents.fingerprint}; the former release was "
                    f"{former.fingerprint}. Keep each release in a folder of its own"
                )
            release = await self._launched(slot, former.folder)
            release.given = former.given
            await self._take_over(slot, release)
            return "rollback"

    def set_canary_share(self, slot: Slot, share: float) -> None:
        """Give the canary another share.

        Raises:
            WrongState: there is none, or the slot is being changed.
        """
        with self._alone(slot):
            _canary_of(slot)
            slot.canary_share = share

    def drop_canary(self, slot: Slot) -> None:
        """Have the current release answer all requests.

        Raises:
            WrongState: there is no canary, or the slot is being changed.
        """
        with self._alone(slot):
            canary = _canary_of(slot)
            slot.canary, slot.canary_share = None, 0.0
            self._retire(slot, canary)

    async def reload_all(self) -> None:
        """Read the folders of all served bundles anew; what can't be used is told in the log.

        A slot that is being changed is read after that, since the change may have begun with what was there before.
        """
        for slot in self._fleet.slots.values():
            while slot.is_changing:
                await asyncio.sleep(_LOOK_EVERY_S)
            try:
                change = await self.reload(slot, slot.folder)
            except RondoError as error:
                logger.error("%s goes on with %s@%s: %s", slot.folder, slot.name, slot.current.hash, error.message)
            else:
                logger.info("%s: %s, %s@%s answers", slot.folder, change, slot.name, slot.current.hash)

    async def stop(self) -> None:
        """End all engines, those that drain too; requests in hand may finish within the grace period."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        slots = self._fleet.slots.values()
        ending = [release for slot in slots for release in (*slot.releases, *slot.draining)]
        await asyncio.gather(*(release.suite.engine.stop(self._grace_s) for release in ending))

    @contextmanager
    def _alone(self, slot: Slot) -> Iterator[None]:
        if slot.is_changing:
            raise WrongState(f"{slot.name} is being changed; wait for that to end")
        slot.is_changing = True
        done = False
        try:
            yield
            done = True
        finally:
            slot.is_changing = False
            self._noted(slot.name, done)

    async def _contents(self, folder: Path) -> Contents:
        try:
            return await asyncio.to_thread(read_contents, folder)
        except (BundleError, OSError) as error:
            raise BundleRefused(str(error)) from error
        except Exception as error:
            raise _unexpected(folder, error) from error

    async def _launched(self, slot: Slot, folder: Path) -> Release:
        launching = asyncio.ensure_future(self._launch(slot.name, folder, slot.services))
        try:
            while not (await asyncio.wait({launching}, timeout=_LOOK_EVERY_S))[0]:
                if self.is_ending():
                    raise EngineFailed("the server is ending")
            return launching.result()
        except (BundleError, InvalidInput) as error:
            raise BundleRefused(f"{slot.name} can't be served from there: {error}") from error
        except (EngineUnavailable, OSError, RondoError) as error:
            raise EngineFailed(f"the engine of {folder} could not be started: {error}") from error
        except Exception as error:
            raise _unexpected(folder, error) from error
        finally:
            launching.cancel()

    async def _take_over(self, slot: Slot, release: Release) -> None:
        """From here on nothing can fail."""
        old = slot.current
        slot.former = Former(old.given, old.folder, old.fingerprint, old.version)
        slot.current, slot.canary, slot.canary_share = release, None, 0.0
        logger.info("%s@%s takes over from %s@%s", slot.name, release.hash, slot.name, old.hash)
        if slot is self._fleet.default and self.when_default_changes is not None:
            try:
                await self.when_default_changes()
            except Exception:
                logger.exception("jobs are not done until the server is started anew")
        self._retire(slot, old)

    def _retire(self, slot: Slot, release: Release) -> None:
        slot.draining.append(release)
        task = asyncio.create_task(self._drain(slot, release))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _drain(self, slot: Slot, release: Release) -> None:
        await release.until_idle(self._grace_s)
        if release.num_requests:
            logger.warning("%s@%s: %d requests are given up", slot.name, release.hash, release.num_requests)
        await release.suite.engine.stop(_STOP_S)
        slot.draining.remove(release)
        logger.info("%s@%s has ended", slot.name, release.hash)


def _unexpected(folder: Path, error: Exception) -> BundleRefused:
    """What a manifest that says impossible things, or warming up, may come to."""
    logger.exception("%s can't be served", folder)
    return BundleRefused(f"{folder} can't be served: {type(error).__name__}: {error}")


def _canary_of(slot: Slot) -> Release:
    if slot.canary is None:
        raise WrongState(f"{slot.name} has no canary")
    return slot.canary


def _check_no_canary(slot: Slot) -> None:
    if slot.canary is not None:
        raise WrongState(f"{slot.name} has a canary, {slot.canary.hash}; promote or drop it first")


def _same_bundle(contents: Contents, release: Release) -> bool:
    """Whether this is the release's bundle, whatever the name under which that is served."""
    own = release.suite.contents
    return contents == replace(own, manifest=replace(own.manifest, name=contents.manifest.name))
