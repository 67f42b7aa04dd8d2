from pathlib import Path

import httpx
import pytest
from tests.services.delivery.servers import LONG_BYTES, Server

from rondo_services.delivery.credentials import Credentials
from rondo_services.delivery.errors import Unreachable
from rondo_services.delivery.reference import place_of
from rondo_services.delivery.registry_auth import RegistryAuth
from rondo_services.delivery.transfer import pull
from rondo_services.delivery.web import ask


def test_the_target_of_a_redirect_gets_no_password() -> None:
    told: list[tuple[str, str | None]] = []

    def answer(request: httpx.Request) -> httpx.Response:
        told.append((request.url.host, request.headers.get("Authorization")))
        if request.url.host == "registry.example":
            return httpx.Response(307, headers={"Location": "https://elsewhere.example/blob"})
        challenge = 'Bearer realm="https://elsewhere.example/token",service="x"'
        return httpx.Response(401, headers={"WWW-Authenticate": challenge})

    auth = RegistryAuth(httpx.URL("https://registry.example"), Credentials("bob", "secret"))
    with httpx.Client(auth=auth, transport=httpx.MockTransport(answer), follow_redirects=True) as client:
        reply = client.get("https://registry.example/v2/a/b/blobs/x")

    assert reply.status_code == 401
    assert told == [("registry.example", None), ("elsewhere.example", None)]


@pytest.mark.parametrize("challenge", ['Bearer realm="https://registry.example/token"', "Basic realm=x"])
def test_the_registry_itself_gets_the_password(challenge: str) -> None:
    told: list[str | None] = []

    def answer(request: httpx.Request) -> httpx.Response:
        told.append(request.headers.get("Authorization"))
        if request.url.path == "/token":
            return httpx.Response(200, json={"token": "t"})
        known = "Authorization" in request.headers
        return httpx.Response(200 if known else 401, headers={"WWW-Authenticate": challenge})

    auth = RegistryAuth(httpx.URL("https://registry.example"), Credentials("bob", "secret"))
    with httpx.Client(auth=auth, transport=httpx.MockTransport(answer)) as client:
        assert client.get("https://registry.example/v2/").status_code == 200

    assert "Basic Ym9iOnNlY3JldA==" in told


def test_a_redirect_target_that_wants_a_password_is_not_taken_for_the_registry() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.host == "registry.example" and "Authorization" in request.headers:
            return httpx.Response(307, headers={"Location": "https://elsewhere.example/blob"})
        return httpx.Response(401, headers={"WWW-Authenticate": "Basic realm=x"})

    auth = RegistryAuth(httpx.URL("https://registry.example"), Credentials("bob", "secret"))
    with httpx.Client(auth=auth, transport=httpx.MockTransport(answer), follow_redirects=True) as client:
        reply = client.get("https://registry.example/v2/a/b/blobs/x")

    assert (reply.status_code, reply.url.host) == (401, "elsewhere.example")


def test_a_servers_error_text_writes_no_control_characters() -> None:
    body = {"errors": [{"code": "X", "message": "\x1b[2J hi\nrondo: all is well"}]}
    transport = httpx.MockTransport(lambda _: httpx.Response(404, json=body))
    with httpx.Client(transport=transport) as client, pytest.raises(Unreachable) as failure:
        ask(client, "GET", "https://registry.example/v2/")

    assert str(failure.value).isprintable()


@pytest.mark.parametrize("challenge", ["Bearer realm=", 'Bearer realm=,scope="a"', "Basic realm="])
def test_a_challenge_with_an_empty_value_is_a_refusal(challenge: str) -> None:
    """It was an IndexError once."""
    transport = httpx.MockTransport(lambda _: httpx.Response(401, headers={"WWW-Authenticate": challenge}))
    auth = RegistryAuth(httpx.URL("https://registry.example"), None)
    with httpx.Client(auth=auth, transport=transport) as client, pytest.raises(Unreachable, match="does not let in"):
        client.get("https://registry.example/v2/")


@pytest.mark.parametrize("realm", ["", "token", "ftp://h.test/token", "https://"])
def test_a_token_is_asked_of_a_server_only(realm: str) -> None:
    challenge = f'Bearer realm="{realm}"'
    transport = httpx.MockTransport(lambda _: httpx.Response(401, headers={"WWW-Authenticate": challenge}))
    auth = RegistryAuth(httpx.URL("https://registry.example"), None)
    with (
        httpx.Client(auth=auth, transport=transport) as client,
        pytest.raises(Unreachable, match="does not say of whom"),
    ):
        client.get("https://registry.example/v2/")


@pytest.mark.parametrize("path", ["/token", "/v2/own/manifests/1"])
def test_replies_without_end_are_not_kept(server: Server, path: str, tmp_path: Path) -> None:
    """A token server could fill the memory, and so could a registry with its refusal, which httpx reads for us."""
    server.challenge = "bearer"
    server.long.add(path)
    with pytest.raises(Unreachable):
        pull(place_of(f"oci://{server.host}/own:1"), tmp_path / "own")
    assert 0 < server.num_long_bytes < LONG_BYTES / 2


def test_tokens_that_are_none() -> None:
    """Deep ones were a RecursionError."""
    for content in (b"[" * 60_000, b"[]", b"{}", b"\xff"):
        challenge = 'Bearer realm="https://registry.example/token"'

        def answer(request: httpx.Request, content: bytes = content, challenge: str = challenge) -> httpx.Response:
            if request.url.path == "/token":
                return httpx.Response(200, content=content)
            return httpx.Response(401, headers={"WWW-Authenticate": challenge})

        auth = RegistryAuth(httpx.URL("https://registry.example"), None)
        told = pytest.raises(Unreachable, match="answers with something else than a token")
        with httpx.Client(auth=auth, transport=httpx.MockTransport(answer)) as client, told:
            client.get("https://registry.example/v2/")
