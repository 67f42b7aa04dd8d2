"""`/v1/bundles`: what is served under which name, and how that is exchanged, by those who have the right."""

import logging
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request

from ..errors import BundleRefused, NotAllowed, UnknownObject
from ..releases.fleet import Fleet
from ..releases.release import Release
from ..releases.rollout import Rollout
from ..releases.slot import Slot
from .access.admins import Admins
from .errors import DOCUMENTED, ErrorReply
from .schema import (
    BundleList,
    BundleReply,
    CanaryRequest,
    ChangeReply,
    FormerRelease,
    ReleaseReply,
    ReleaseState,
    ReloadRequest,
)

logger = logging.getLogger("rondo")

PATH = "/v1/bundles"

_REFUSED: dict[int | str, dict[str, Any]] = {
    401: DOCUMENTED[401],
    403: {"model": ErrorReply, "description": "The key has not the right, or the folder is none of the permitted."},
    404: {"model": ErrorReply, "description": "No bundle is served under this name."},
    "4XX": {"model": ErrorReply, "description": "The request is refused."},
}
_CHANGE: dict[int | str, dict[str, Any]] = {
    **{status: DOCUMENTED[status] for status in (400, 413, 415)},
    **_REFUSED,
    409: {"model": ErrorReply, "description": "It is being changed, or there is (no) canary or former release."},
    422: {"model": ErrorReply, "description": "A field is wrong, or the bundle can't be used; nothing has changed."},
    503: {"model": ErrorReply, "description": "The new engine could not be started; nothing has changed."},
}


class PermittedFolders:
    """Which folders a request may name: those below one folder, and the one that is served already.

    Args:
        root: below it; None: none.
    """

    def __init__(self, root: Path | None) -> None:
        self._root = root

    def folder(self, slot: Slot, path: str | None) -> Path:
        """The folder to read: what was given, seen from the permitted folder, or by default what is served.

        Raises:
            NotAllowed: it is none of the permitted. Nothing was looked for elsewhere.
        """
        if path is None or Path(path) == slot.folder:
            return slot.folder
        if self._root is None:
            raise NotAllowed(
                "path: only the folder that is served can be read anew; RONDO_BUNDLES_DIR permits others", field="path"
            )
        root = self._root.resolve()
        try:
            folder = (root / path).resolve()
        except (OSError, RuntimeError, ValueError) as error:  # a name that can't be, or links that go in a circle
            raise BundleRefused(f"path: {path!r} is no folder: {error}", field="path") from error
        if not folder.is_relative_to(root):
            raise NotAllowed("path: it is not below the server's RONDO_BUNDLES_DIR", field="path")
        return folder


def router(fleet: Fleet, rollout: Rollout, admins: Admins, folders: PermittedFolders) -> APIRouter:
    """Routes of bundles."""

    async def admin(http: Request) -> None:
        record = admins.check(http)
        if http.method != "GET":
            logger.info("%s %s, with the key %s/%s", http.method, http.url.path, record.name, record.id)

    async def slot_of(name: str) -> Slot:
        if name not in fleet.slots:
            raise UnknownObject(f"no bundle {name!r} is served; there are {', '.join(fleet.slots)}", field="name")
        return fleet.slots[name]

    routes = APIRouter(tags=["bundles"], dependencies=[Depends(admin)])

    @routes.get(PATH, responses=_REFUSED)
    async def bundles() -> BundleList:
        """All names, with their releases."""
        return BundleList(data=[told(slot) for slot in fleet.slots.values()])

    @routes.get(f"{PATH}/{{name}}", responses=_REFUSED)
    async def bundle(slot: Annotated[Slot, Depends(slot_of)]) -> BundleReply:
        """One of them."""
        return told(slot)

    @routes.post(f"{PATH}/{{name}}/reload", responses=_CHANGE)
    async def reload(slot: Annotated[Slot, Depends(slot_of)], request: ReloadRequest | None = None) -> ChangeReply:
        """Read a bundle, and have it answer instead of the current one, or as a canary; the reply comes after that."""
        own = request or ReloadRequest()
        change = await rollout.reload(slot, folders.folder(slot, own.path), own.canary)
        return ChangeReply(change=change, bundle=told(slot))

    @routes.post(f"{PATH}/{{name}}/promote", responses=_CHANGE)
    async def promote(slot: Annotated[Slot, Depends(slot_of)]) -> ChangeReply:
        """Have the canary answer all requests."""
        return ChangeReply(change=await rollout.promote(slot), bundle=told(slot))

    @routes.post(f"{PATH}/{{name}}/rollback", responses=_CHANGE)
    async def rollback(slot: Annotated[Slot, Depends(slot_of)]) -> ChangeReply:
        """Have the release answer that was current before."""
        return ChangeReply(change=await rollout.rollback(slot), bundle=told(slot))

    @routes.put(f"{PATH}/{{name}}/canary", responses=_CHANGE)
    async def share(request: CanaryRequest, slot: Annotated[Slot, Depends(slot_of)]) -> BundleReply:
        """Give the canary another share of the requests."""
        rollout.set_canary_share(slot, request.share)
        return told(slot)

    @routes.delete(f"{PATH}/{{name}}/canary", responses=_CHANGE)
    async def drop(slot: Annotated[Slot, Depends(slot_of)]) -> BundleReply:
        """Have the current release answer all requests."""
        rollout.drop_canary(slot)
        return told(slot)

    return routes


def told(slot: Slot) -> BundleReply:
    """A slot as it is told."""
    former = slot.former
    releases = [_release(slot, one, "serving") for one in slot.releases]
    return BundleReply(
        name=slot.name,
        folder=str(slot.folder),
        state="loading" if slot.is_changing else "serving",
        services=list(slot.services),
        releases=[*releases, *(_release(slot, one, "draining") for one in slot.draining)],
        former=None if former is None else FormerRelease(
            hash=former.fingerprint, version=former.version, folder=str(former.folder)
        ),
    )  # fmt: skip


def _release(slot: Slot, release: Release, state: ReleaseState) -> ReleaseReply:
    return ReleaseReply(
        hash=release.fingerprint,
        version=release.version,
        folder=str(release.folder),
        state=state,
        is_canary=release is slot.canary,
        share=slot.share_of(release),
        num_requests=release.num_requests,
        is_alive=release.suite.engine.is_alive,
    )
