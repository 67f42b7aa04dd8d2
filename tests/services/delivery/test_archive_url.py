"""Archives behind a URL."""

from contextlib import nullcontext
from pathlib import Path

import httpx
import pytest
from tests.services.delivery.servers import BASIC, LONG_BYTES, PASSWORD, USER, Server

from rondo_models.manifest import BundleError
from rondo_services.delivery import archive_places
from rondo_services.delivery.errors import DeliveryError, Unreachable, Unsafe
from rondo_services.delivery.reference import place_of
from rondo_services.delivery.transfer import pull, push
from rondo_services.delivery.web import Web


def test_user_and_password_are_those_of_the_url_or_of_netrc(server: Server, folder: Path) -> None:
    push(folder, place_of(f"http://{USER}:{PASSWORD}@{server.host}/a.tar".replace(" ", "%20")))
    push(folder, place_of(f"http://{server.host}/b.tar"))
    netrc = Path.home() / ".netrc"
    netrc.write_text(f'machine 127.0.0.1 login {USER} password "{PASSWORD}"\n')
    netrc.chmod(0o600)
    push(folder, place_of(f"http://{server.host}/c.tar"))
    assert server.authorizations == [("/a.tar", BASIC), ("/b.tar", ""), ("/c.tar", BASIC)]


@pytest.mark.parametrize("line", ["machine h.test login me hush-hush", "hush-hush"])
def test_a_netrc_that_cant_be_read_is_told_without_what_it_says(server: Server, line: str, tmp_path: Path) -> None:
    """It was a traceback, with a piece of a password."""
    (Path.home() / ".netrc").write_text(f"{line}\n")
    with pytest.raises(DeliveryError, match=r"/\.netrc, about line \d, can't be read as a \.netrc$"):
        pull(place_of(f"http://{server.host}/a.tar"), tmp_path / "own")


def test_a_variable_that_cant_be_is_named(
    server: Server, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "::bad")
    with pytest.raises(ValueError, match=r"^HTTPS_PROXY is no address of a proxy"):
        push(folder, place_of(f"http://{server.host}/a.tar"))


def test_the_body_of_a_redirect_is_not_kept(server: Server, folder: Path, tmp_path: Path) -> None:
    """It could fill the memory, since httpx reads it for us."""
    push(folder, place_of(f"http://{server.host}/a.tar"))
    server.moved["/b.tar"] = "/a.tar"
    server.long.add("/b.tar")
    assert pull(place_of(f"http://{server.host}/b.tar"), tmp_path / "own").bundle.title == "small 1"
    assert 0 < server.num_long_bytes < LONG_BYTES / 2


@pytest.mark.parametrize(
    ("encoding", "is_refused"), [("zstd", True), ("gzip, gzip", True), ("gzip", False), ("x", False)]
)
def test_encodings_that_grow_without_bound_are_refused(encoding: str, is_refused: bool) -> None:
    reply = httpx.Response(
        200, headers={"Content-Encoding": encoding}, request=httpx.Request("GET", "https://h.test/a")
    )
    told = pytest.raises(Unsafe, match=r"https://h.test/a answers in") if is_refused else nullcontext()
    with Web().client(None) as client, told:
        for look in client.event_hooks["response"]:
            look(reply)


def test_what_comes_is_bounded(server: Server, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = place_of(f"http://{server.host}/a.tar")
    push(folder, place)
    monkeypatch.setattr(archive_places, "MOST_BYTES", 1000)
    with pytest.raises(Unsafe, match=r"a.tar is larger than 1000 bytes"):
        pull(place, tmp_path / "out" / "own")
    assert list((tmp_path / "out").iterdir()) == []


def test_what_is_not_there(server: Server, tmp_path: Path) -> None:
    with pytest.raises(Unreachable, match=rf"http://{server.host}/a.tar answered 404 Not Found$"):
        pull(place_of(f"http://{server.host}/a.tar?sig=hush"), tmp_path / "own")
    server.files["/a.tar"] = b"<html>Sign in</html>"
    with pytest.raises(BundleError, match=r"can't be read as a plain tar file"):
        pull(place_of(f"http://{server.host}/a.tar"), tmp_path / "own")


def test_nobody_there(tmp_path: Path) -> None:
    with pytest.raises(Unreachable, match=r"http://127.0.0.1:1/a.tar did not answer: .*refused"):
        pull(place_of("http://127.0.0.1:1/a.tar"), tmp_path / "own")
