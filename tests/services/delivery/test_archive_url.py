"""Archives behind a URL."""

from pathlib import Path

import pytest
from tests.services.delivery.servers import BASIC, PASSWORD, USER, Server

from rondo_models.manifest import BundleError
from rondo_services.delivery import archive_places
from rondo_services.delivery.errors import Unreachable, Unsafe
from rondo_services.delivery.reference import place_of
from rondo_services.delivery.transfer import pull, push


def test_user_and_password_are_those_of_the_url_or_of_netrc(server: Server, folder: Path) -> None:
    push(folder, place_of(f"http://{USER}:{PASSWORD}@{server.host}/a.tar".replace(" ", "%20")))
    push(folder, place_of(f"http://{server.host}/b.tar"))
    netrc = Path.home() / ".netrc"
    netrc.write_text(f'machine 127.0.0.1 login {USER} password "{PASSWORD}"\n')
    netrc.chmod(0o600)
    push(folder, place_of(f"http://{server.host}/c.tar"))
    assert server.authorizations == [("/a.tar", BASIC), ("/b.tar", ""), ("/c.tar", BASIC)]


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
