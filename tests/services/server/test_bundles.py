"""Which bundles are served under which names, who may exchange them, which folders may be named, what is counted."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from prometheus_client import CollectorRegistry, generate_latest

from rondo_services.access.key_file import KeyFile
from rondo_services.access.keys import Allowance
from rondo_services.errors import BundleRefused, InvalidInput, NotAllowed
from rondo_services.local import LocalSuite
from rondo_services.releases.fleet import Fleet
from rondo_services.releases.release import Release
from rondo_services.releases.rollout import Launch, Rollout
from rondo_services.releases.slot import Slot
from rondo_services.server.app import create_app
from rondo_services.server.bundle_metrics import BundleMetrics
from rondo_services.server.bundles import PermittedFolders
from rondo_services.server.metrics import ServerMetrics
from rondo_services.server.served_bundles import served_folders
from rondo_services.server.settings import ServerSettings

pytestmark = pytest.mark.usefixtures("without_variables")


def test_bundles_have_their_own_names_or_given_ones(bundle_folder: Path) -> None:
    def served(**given: object) -> list[str]:
        return list(served_folders(ServerSettings(bundle=bundle_folder, **given)))  # type: ignore[arg-type]

    assert served() == ["tiny"]
    assert served(bundle_name="one", bundles="tiny=/a,two=/b") == ["one", "tiny", "two"]
    with pytest.raises(InvalidInput, match="can't both be served as 'tiny'"):
        served(bundles="tiny=/a")
    for wrong in ({"bundle_name": "sentiment"}, {"bundles": "a@b=/a"}):
        with pytest.raises(InvalidInput, match="can't be served as"):
            served(**wrong)


def test_only_permitted_folders_may_be_named(suite: LocalSuite, tmp_path: Path) -> None:
    root, outside, served = tmp_path / "root", tmp_path / "outside", tmp_path / "served"
    for folder in (root / "inside", outside):
        folder.mkdir(parents=True)
    (root / "link").symlink_to(outside)
    (root / "circle").symlink_to("circle")
    slot = Slot("one", Release(served, served, suite))
    nowhere, below = PermittedFolders(None), PermittedFolders(root)
    for folders in (nowhere, below):
        assert folders.folder(slot, None) == folders.folder(slot, str(served)) == served
    assert below.folder(slot, "inside") == below.folder(slot, str(root / "inside")) == root / "inside"
    for path in ("/etc", "../outside", str(outside), "link", "inside/../../outside"):
        with pytest.raises(NotAllowed, match="not below"):
            below.folder(slot, path)
    for path in ("inside", "/etc"):
        with pytest.raises(NotAllowed, match="RONDO_BUNDLES_DIR permits others"):
            nowhere.folder(slot, path)
    for path in ("a\0b", "circle"):
        with pytest.raises(BundleRefused, match="is no folder"):
            below.folder(slot, path)


async def _never(name: str, folder: Path, services: object) -> Release:
    raise AssertionError("nothing is to be loaded")


def test_who_may_exchange_bundles(suite: LocalSuite, tmp_path: Path) -> None:
    launch: Launch = _never

    @asynccontextmanager
    async def connected() -> AsyncIterator[httpx.AsyncClient]:
        fleet = Fleet.of(suite)
        settings = ServerSettings(state_dir=tmp_path)
        app = create_app(fleet, settings, ServerMetrics(), rollout=Rollout(fleet, launch, 1.0))
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
            yield client

    def key(name: str, *, admin: bool) -> dict[str, str]:
        _, key = KeyFile(tmp_path).create(name, Allowance(), None, datetime.now(UTC), admin=admin)
        return {"X-API-Key": key}

    async def ask() -> list[tuple[int, str]]:
        replies = []
        async with connected() as client:
            assert (await client.get("/v1/models")).status_code == 200, "nobody else needs a key"
            replies.append(await client.get("/v1/bundles"))
            replies.append(await client.get("/v1/bundles", headers={"X-API-Key": "rondo_0"}))
            headers = key("somebody", admin=False), key("admin", admin=True)
            await asyncio.sleep(0.3)
            for own in headers:
                replies.append(await client.get("/v1/bundles", headers=own))
                replies.append(await client.post("/v1/bundles/tiny/rollback", headers=own))
                replies.append(await client.post("/v1/bundles/other/promote", headers=own))
            assert replies[5].json()["data"][0]["releases"][0]["hash"] == "tiny"
            (tmp_path / "keys.json").write_text("{")
        async with connected() as client:
            replies.append(await client.get("/v1/bundles", headers=headers[1]))
        return [(reply.status_code, reply.json().get("error", {}).get("code", "")) for reply in replies]

    refused, not_allowed = (401, "invalid_key"), (403, "not_allowed")
    assert asyncio.run(ask()) == [
        *(refused, refused),
        *(not_allowed, not_allowed, not_allowed),
        *((200, ""), (409, "wrong_state"), (404, "no_such_object")),
        refused,
    ]


def test_only_the_last_few_releases_are_told_of(suite: LocalSuite) -> None:
    fleet, registry = Fleet.of(suite), CollectorRegistry()
    metrics = BundleMetrics(fleet, registry)

    def release(hash_: str) -> Release:
        made = Release(Path(), Path(), suite)
        made.hash = hash_
        return made

    for number in (*range(10), 9, 8, 6):
        metrics.answered(release(f"r{number}"), 200, 0.1)
    metrics.answered(release("r9"), 404, 0.1)
    metrics.changed("tiny", done=True)
    text = generate_latest(registry).decode()
    assert 'release="r5"' not in text
    for number, count in ((6, 2), (7, 1), (8, 2), (9, 2)):
        assert f'rondo_bundle_requests_total{{bundle="tiny",release="r{number}",status="2xx"}} {count}.0' in text
    assert 'rondo_bundle_requests_total{bundle="tiny",release="r9",status="4xx"} 1.0' in text
    assert 'rondo_bundle_request_seconds_count{bundle="tiny",release="r9"} 3.0' in text
    assert 'rondo_bundle_reloads_total{bundle="tiny",outcome="done"} 1.0' in text
    assert 'rondo_bundle_info{bundle="tiny",release="tiny",version="1"} 1.0' in text


def test_the_current_release_is_never_forgotten(suite: LocalSuite) -> None:
    fleet, registry = Fleet.of(suite), CollectorRegistry()
    metrics, (slot,) = BundleMetrics(fleet, registry), fleet.slots.values()
    for number in range(9):
        metrics.answered(slot.current, 200, 0.1)
        canary = Release(Path(), Path(), suite)
        canary.hash = f"r{number}"
        metrics.answered(canary, 200, 0.1)
    text = generate_latest(registry).decode()
    assert f'rondo_bundle_requests_total{{bundle="tiny",release="{slot.current.hash}",status="2xx"}} 9.0' in text
    assert 'release="r5"' not in text
