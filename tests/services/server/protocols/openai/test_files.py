"""`/v1/files` over a tiny suite. What forms may hold is tested with uploads."""

import asyncio
import shutil
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.services.server.conftest import Connect
from tests.services.server.jobs.asking import sent

from rondo_services.jobs.errors import JobStoreError
from rondo_services.jobs.store import JobStore
from rondo_services.local import LocalSuite
from rondo_services.server.settings import ServerSettings

Ask = Callable[[Callable[[httpx.AsyncClient], Coroutine[Any, Any, None]]], None]


@pytest.fixture
def asked(suite: LocalSuite, connect: Connect, tmp_path: Path) -> Ask:
    def run(ask: Callable[[httpx.AsyncClient], Coroutine[Any, Any, None]]) -> None:
        async def one() -> None:
            async with connect(suite, ServerSettings(state_dir=tmp_path, jobs_kept_s=1000)) as client:
                await ask(client)

        asyncio.run(one())

    return run


def test_the_way_of_a_file(asked: Ask) -> None:
    async def ask(client: httpx.AsyncClient) -> None:
        file = await sent(client, "{}\n", "batch", "in.jsonl")
        created = file["created_at"]
        assert file == {
            "id": file["id"],
            "object": "file",
            "bytes": 3,
            "created_at": created,
            "expires_at": file["expires_at"],
            "filename": "in.jsonl",
            "purpose": "batch",
            "status": "processed",
            "status_details": None,
        }
        assert file["id"].startswith("file-")
        assert abs(file["expires_at"] - created - 1000) <= 1
        assert (await client.get(f"/v1/files/{file['id']}")).json() == file
        assert (await client.get(f"/v1/files/{file['id']}/content")).text == "{}\n"
        deleted = await client.delete(f"/v1/files/{file['id']}")
        assert deleted.json() == {"id": file["id"], "object": "file", "deleted": True}
        for method, path in (("GET", ""), ("GET", "/content"), ("DELETE", "")):
            reply = await client.request(method, f"/v1/files/{file['id']}{path}")
            error = reply.json()["error"]
            assert (reply.status_code, error["type"], error["code"]) == (404, "not_found_error", "no_such_object")
            assert file["id"] in error["message"]

    asked(ask)


@pytest.mark.parametrize("seconds", ["3600", "2592000"])
def test_a_file_is_kept_as_long_as_it_says(asked: Ask, seconds: str) -> None:
    async def ask(client: httpx.AsyncClient) -> None:
        expiry = {"expires_after[anchor]": "created_at", "expires_after[seconds]": seconds}
        file = await sent(client, "{}\n", "batch", more=expiry)
        assert abs(file["expires_at"] - file["created_at"] - int(seconds)) <= 1

    asked(ask)


@pytest.mark.parametrize(
    "expiry",
    [
        {"anchor": "created_at", "seconds": "3599"},
        {"anchor": "created_at", "seconds": "2592001"},
        {"anchor": "created_at", "seconds": "many"},
        {"anchor": "created_at"},
        {"seconds": "4000"},
        {"anchor": "last_active_at", "seconds": "4000"},
    ],
)
def test_times_that_cant_be_kept_are_refused(asked: Ask, expiry: dict[str, str]) -> None:
    async def ask(client: httpx.AsyncClient) -> None:
        fields = {"purpose": "batch", **{f"expires_after[{name}]": value for name, value in expiry.items()}}
        reply = await client.post("/v1/files", files={"file": ("a", b"x")}, data=fields)
        assert reply.status_code == 400
        assert "expires_after" in reply.json()["error"]["message"]
        assert (await client.get("/v1/files")).json()["data"] == []

    asked(ask)


def test_files_are_listed_by_purpose_in_either_order_in_pages(asked: Ask) -> None:
    async def ask(client: httpx.AsyncClient) -> None:
        made = [(await sent(client, "x", purpose))["id"] for purpose in ("batch", "job", "batch", "batch")]

        async def listed(**query: Any) -> tuple[list[str], bool]:
            content = (await client.get("/v1/files", params=query)).json()
            ids = [file["id"] for file in content["data"]]
            assert (content["object"], content["first_id"], content["last_id"]) == (
                *("list", ids[0] if ids else None, ids[-1] if ids else None),
            )
            return ids, content["has_more"]

        assert await listed() == (made[::-1], False)
        assert await listed(order="asc", limit=3) == (made[:3], True)
        assert await listed(order="asc", after=made[2]) == (made[3:], False)
        assert await listed(purpose="batch", limit=2) == ([made[3], made[2]], True)
        assert await listed(purpose="batch", limit=2, after=made[2]) == ([made[0]], False)
        assert await listed(after=made[0]) == ([], False)
        assert await listed(purpose="batch_output") == ([], False)
        for query in (
            {"after": "file-0"},
            {"limit": 0},
            {"limit": 10_001},
            {"order": "up"},
            {"purpose": "x"},
            {"a": 1},
        ):
            reply = await client.get("/v1/files", params=query)
            assert reply.status_code == (404 if "after" in query else 400)
            assert reply.json()["error"]["param"]

    asked(ask)


def test_a_file_without_content_is_not_there_any_more(asked: Ask, tmp_path: Path) -> None:
    """It was an error of ours, with a traceback in the log."""

    async def ask(client: httpx.AsyncClient) -> None:
        job, batch = await sent(client, "Good.", name="a.txt"), await sent(client, "{}\n", "batch")
        shutil.rmtree(tmp_path / "jobs" / "files" / "files")
        for file in (job, batch):
            reply = await client.get(f"/v1/files/{file['id']}/content")
            assert (reply.status_code, reply.json()["error"]["code"]) == (404, "no_such_object")
        made = await client.post("/v1/jobs", json={"service": "sentiment", "input": {"source": job["id"]}})
        assert (made.status_code, made.json()["error"]["field"]) == (422, "input.source")

    asked(ask)


def test_what_a_store_says_is_for_the_log(
    asked: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Clients were shown its path, or the address and the user of the database."""

    def failing(store: JobStore, *args: object, **options: object) -> None:
        raise JobStoreError("the job database postgresql://rondo@db/rondo failed: away")

    monkeypatch.setattr(JobStore, "files", failing)

    async def ask(client: httpx.AsyncClient) -> None:
        reply = await client.get("/v1/files")
        assert (reply.status_code, reply.json()["error"]["code"]) == (503, "job_store_failed")
        assert reply.json()["error"]["message"] == "the store of jobs does not answer"

    asked(ask)
    assert "postgresql://rondo@db/rondo failed: away" in caplog.text


def test_a_page_may_begin_after_a_file_of_another_purpose(asked: Ask) -> None:
    async def ask(client: httpx.AsyncClient) -> None:
        first, other, last = [(await sent(client, "x", purpose))["id"] for purpose in ("batch", "job", "batch")]
        page = (await client.get("/v1/files", params={"purpose": "batch", "after": other})).json()
        assert [file["id"] for file in page["data"]] == [first]
        assert last not in str(page)

    asked(ask)
