"""Files that are sent in forms, and how large they may be."""

import asyncio
import errno
from typing import Any

import httpx
import pytest
from starlette.datastructures import UploadFile
from tests.services.server.jobs.asking import sent
from tests.services.server.jobs.conftest import Keys, Serving

from rondo_services.jobs.files import StateFiles

PURPOSE = ("purpose", (None, "job"))


def _reply(serving: Serving, changes: dict[str, Any] | None = None, **request: Any) -> httpx.Response:
    async def ask() -> httpx.Response:
        async with serving(at_work=False, **(changes or {})) as client:
            return await client.post("/v1/files", **request)

    return asyncio.run(ask())


def test_a_file_may_be_larger_than_other_bodies_and_is_written_as_it_comes(serving: Serving) -> None:
    async def ask() -> None:
        async with serving(at_work=False, max_body_bytes=10_000, max_file_bytes=3_000_000) as client:
            data = bytes(range(256)) * 10_000
            file = await sent(client, data)
            assert file["bytes"] == len(data)
            content = await client.get(f"/v1/files/{file['id']}/content")
            assert (content.content, content.headers["content-length"]) == (data, str(len(data)))

    asyncio.run(ask())


def test_a_file_that_is_too_large_is_refused_by_its_length_and_as_it_comes(
    serving: Serving, caplog: pytest.LogCaptureFixture
) -> None:
    limits = {"max_body_bytes": 10_000, "max_file_bytes": 300_000}
    form: dict[str, Any] = {"files": [("file", ("a", b"x" * 500_000)), PURPOSE]}
    declared = _reply(serving, limits, **form)
    assert (declared.status_code, declared.json()["error"]["code"]) == (413, "body_too_large")
    request = httpx.Request("POST", "http://test/", **form)

    async def parts() -> Any:
        for begin in range(0, 500_000, 50_000):
            yield request.content[begin : begin + 50_000]

    request.read()
    coming = _reply(serving, limits, content=parts(), headers={"Content-Type": request.headers["content-type"]})
    assert (coming.status_code, coming.json()["error"]["code"]) == (413, "body_too_large")
    assert "could not be answered" not in caplog.text
    just_too_large = _reply(serving, limits, files=[("file", ("a", b"x" * 300_001)), PURPOSE])
    assert (just_too_large.status_code, just_too_large.json()["error"]["param"]) == (413, "file")
    assert _reply(serving, limits, files=[("file", ("a", b"x" * 300_000)), PURPOSE]).status_code == 200


@pytest.mark.parametrize("kind", ["application/json", "application/octet-stream", "text/plain; multipart/form-data"])
def test_only_forms_may_be_so_large(serving: Serving, kind: str) -> None:
    limits = {"max_body_bytes": 10_000, "max_file_bytes": 300_000}
    assert _reply(serving, limits, content=b"x" * 20_000, headers={"Content-Type": kind}).status_code == 413
    assert _reply(serving, limits, content=b'"x"', headers={"Content-Type": kind}).status_code == 415


@pytest.mark.parametrize(
    ("files", "param"),
    [
        ([PURPOSE], "file"),
        ([PURPOSE, ("file", (None, "text"))], "file"),
        ([PURPOSE, ("file", ("", b"x"))], "file"),
        ([PURPOSE, ("file", ("folder/", b"x"))], "file"),
        ([PURPOSE, PURPOSE, ("file", ("a", b"x"))], "purpose"),
        ([("file", ("a", b"x"))], "purpose"),
        ([("purpose", (None, "fine-tune")), ("file", ("a", b"x"))], "purpose"),
        ([("purpose", (None, "batch_output")), ("file", ("a", b"x"))], "purpose"),
        ([PURPOSE, ("file", ("a", b"x")), ("color", (None, "red"))], "color"),
        ([("purpose", ("a", b"job")), ("name", (None, "x"))], "file"),
    ],
)
def test_forms_that_are_not_what_is_asked_for(serving: Serving, files: Any, param: str) -> None:
    reply = _reply(serving, files=files)
    assert (reply.status_code, reply.json()["error"]["param"]) == (400, param)


@pytest.mark.parametrize(
    ("files", "param", "told"),
    [
        ([PURPOSE, ("file", ("a", b"x")), ("file", ("b", b"x"))], "file", "file: send it once"),
        ([("purpose", ("a", b"job")), ("file", ("a", b"x"))], "purpose", "purpose: send it as a text"),
        ([PURPOSE, *[("file", ("a", b"x"))] * 30], None, "the form can't be read: Too many files"),
    ],
)
def test_files_that_are_too_many_are_named(serving: Serving, files: Any, param: str | None, told: str) -> None:
    """They were all told as JSON that can't be read."""
    error = _reply(serving, files=files).json()["error"]
    assert (error["code"], error["type"], error["param"]) == ("invalid_input", "invalid_request_error", param)
    assert error["message"].startswith(told)


@pytest.mark.parametrize("kind", ["multipart/form-data; boundary=y", "multipart/form-data"])
def test_what_is_no_form_is_not_said_to_be_json(serving: Serving, kind: str) -> None:
    """The code was that of JSON that can't be read."""
    reply = _reply(serving, content=b"x", headers={"Content-Type": kind})
    assert (reply.status_code, reply.json()["error"]["code"]) == (400, "invalid_input")
    assert reply.json()["error"]["message"].startswith("the form can't be read: ")


def test_a_full_disk_is_the_servers_trouble(serving: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    """It was an error of ours, with a traceback in the log, wherever it was met."""
    full = OSError(errno.ENOSPC, "No space left on device", "/secret")

    async def failing_part(part: UploadFile, data: bytes) -> None:
        raise full

    def failing_file(files: StateFiles, name: str) -> Any:
        raise full

    for place, failing in ((UploadFile, failing_part), (StateFiles, failing_file)):
        with monkeypatch.context() as patch:
            patch.setattr(place, "write" if place is UploadFile else "open_write", failing)
            reply = _reply(serving, files=[PURPOSE, ("file", ("a", b"x"))])
        assert (reply.status_code, reply.json()["error"]["code"]) == (503, "job_store_failed")
        assert "secret" not in reply.text


def test_a_name_is_kept_without_folders(serving: Serving) -> None:
    async def ask() -> None:
        async with serving(at_work=False) as client:
            file = await sent(client, b"x", name="../../etc\\봄 file.jsonl")
            assert file["filename"] == "봄 file.jsonl"
            content = await client.get(f"/v1/files/{file['id']}/content")
            assert content.headers["content-disposition"].endswith("UTF-8''%EB%B4%84%20file.jsonl")

    asyncio.run(ask())


def test_a_name_that_is_too_long_is_refused(serving: Serving) -> None:
    reply = _reply(serving, files=[PURPOSE, ("file", ("a" * 256, b"x"))])
    assert reply.status_code == 400
    assert reply.json()["error"]["message"] == "file: its name is longer than 255 characters"
    assert _reply(serving, files=[PURPOSE, ("file", ("a" * 255, b"x"))]).json()["filename"] == "a" * 255


def test_control_characters_are_no_part_of_a_name(serving: Serving) -> None:
    parts = [
        *(b'--y\r\nContent-Disposition: form-data; name="purpose"\r\n\r\njob\r\n',),
        *(b'--y\r\nContent-Disposition: form-data; name="file"; filename="a\x01\x7f.txt"\r\n\r\nx\r\n--y--\r\n',),
    ]
    headers = {"Content-Type": "multipart/form-data; boundary=y"}
    reply = _reply(serving, content=b"".join(parts), headers=headers)
    assert (reply.status_code, reply.json()["filename"]) == (200, "a.txt")


def test_all_files_together_have_a_limit(serving: Serving) -> None:
    async def ask() -> None:
        async with serving(at_work=False, max_files_bytes=100) as client:
            first = await sent(client, b"x" * 60)
            form: dict[str, Any] = {"files": {"file": ("a", b"x" * 60)}, "data": {"purpose": "job"}}
            refused = await client.post("/v1/files", **form)
            assert refused.status_code == 413
            assert "no room" in refused.json()["error"]["message"]
            await client.delete(f"/v1/files/{first['id']}")
            assert (await client.post("/v1/files", **form)).status_code == 200

    asyncio.run(ask())


def test_one_key_cant_take_the_room_of_others(serving: Serving, keys: Keys) -> None:
    """One filled all of it, and the others were told to delete files that they did not have."""
    mine, other = keys.create("shop"), keys.create("else")

    async def ask() -> None:
        async with serving(at_work=False, access=keys.control(), max_files_bytes=100, max_owner_bytes=50) as client:
            form: dict[str, Any] = {"files": {"file": ("a", b"x" * 40)}, "data": {"purpose": "job"}}
            await sent(client, b"x" * 40, headers=mine)
            refused = await client.post("/v1/files", **form, headers=mine)
            assert (refused.status_code, refused.json()["error"]["code"]) == (413, "file_too_large")
            assert "of this key, which may have 50 bytes" in refused.json()["error"]["message"]
            assert (await client.post("/v1/files", **form, headers=other)).status_code == 200

    asyncio.run(ask())
