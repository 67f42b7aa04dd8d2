"""What arrives is whole, is what was asked for, and is never seen half."""

import hashlib
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.services.delivery.folders import held
from tests.services.delivery.servers import Server

from rondo_models.manifest import BundleError, read_contents, write_manifest
from rondo_services.delivery import transfer
from rondo_services.delivery.errors import DeliveryError, Unreachable, WrongDigest
from rondo_services.delivery.reference import place_of
from rondo_services.delivery.transfer import fetched, pull, push

Refer = Callable[[str], str]
KINDS = ["folder", "tar", "file", "http", "oci"]


@pytest.fixture(params=KINDS)
def refer(request: pytest.FixtureRequest, tmp_path: Path, server: Server) -> Refer:
    """References to places of a kind, by their names."""
    shapes = {
        "folder": f"{tmp_path}/places/{{}}",
        "tar": f"{tmp_path}/places/{{}}.tar",
        "file": f"file://{tmp_path}/places/{{}}.tar",
        "http": f"http://{server.host}/places/{{}}.tar",
        "oci": f"oci://{server.host}/places/own:{{}}",
    }
    return shapes[request.param].format


def _pinned(reference: str, digest: str) -> str:
    if reference.startswith("oci:"):
        return f"{reference}@{digest}"
    return f"{reference}#{digest.replace(':', '=')}"


def _entries(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_there_and_back(refer: Refer, folder: Path, tmp_path: Path) -> None:
    bundle, digest = push(folder, place_of(refer("a")))
    assert (bundle.title, bundle.folder) == ("small 1", bundle.folder)
    assert push(folder, place_of(refer("a")))[1] == digest
    came = pull(place_of(refer("a")), tmp_path / "out" / "own")
    assert (came.digest, came.was_there, came.bundle.folder) == (digest, False, tmp_path / "out" / "own")
    assert held(tmp_path / "out" / "own") == held(folder)
    assert _entries(tmp_path / "out") == ["own"]
    assert came.bundle.folder.stat().st_mode & 0o777 == 0o777 & ~_mask()
    assert pull(place_of(refer("a"), digest), tmp_path / "out" / "own").was_there


def _mask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_a_wrong_digest_is_refused(refer: Refer, folder: Path, other_folder: Path, tmp_path: Path) -> None:
    _, first = push(folder, place_of(refer("a")))
    _, second = push(other_folder, place_of(refer("b")))
    assert first != second
    unknown = "sha256:" + "0" * 64
    with pytest.raises((WrongDigest, Unreachable), match=unknown):  # a registry has no such manifest to begin with
        pull(place_of(refer("a"), unknown), tmp_path / "out" / "own")
    assert _entries(tmp_path / "out") == []
    with pytest.raises(WrongDigest):
        push(folder, place_of(refer("c"), second))
    with pytest.raises((DeliveryError, BundleError, FileNotFoundError)):
        pull(place_of(refer("c")), tmp_path / "out" / "own")


def test_another_bundle_is_replaced_only_when_told(
    refer: Refer, folder: Path, other_folder: Path, tmp_path: Path
) -> None:
    push(folder, place_of(refer("a")))
    push(other_folder, place_of(refer("b")))
    out = tmp_path / "out" / "own"
    pull(place_of(refer("a")), out)
    with pytest.raises(ValueError, match=r"own holds small 1; --replace puts small 2 in its place"):
        pull(place_of(refer("b")), out)
    assert held(out) == held(folder)
    pull(place_of(refer("b")), out, replace=True)
    assert held(out) == held(other_folder)
    assert _entries(out.parent) == ["own"]


def test_a_broken_one_is_mended_when_told(refer: Refer, folder: Path, tmp_path: Path) -> None:
    _, digest = push(folder, place_of(refer("a")))
    out = tmp_path / "own"
    pull(place_of(refer("a")), out)
    (out / "README.md").write_text("altered")
    with pytest.raises(ValueError, match=r"own holds a bundle that is not whole"):
        pull(place_of(refer("a"), digest), out)
    pull(place_of(refer("a"), digest), out, replace=True)
    assert held(out) == held(folder)


def test_without_a_folder_its_name_is_taken(
    refer: Refer, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    push(folder, place_of(refer("a")))
    monkeypatch.chdir(tmp_path)
    assert pull(place_of(refer("a")), None).bundle.folder == Path("bundles/small")
    assert pull(place_of(refer("a")), None).was_there
    assert _entries(tmp_path / "bundles") == ["small"]


def test_what_is_no_bundle_stays_untouched(refer: Refer, folder: Path, tmp_path: Path) -> None:
    push(folder, place_of(refer("a")))
    out = tmp_path / "thesis"
    out.mkdir()
    (out / "chapter.txt").write_text("dear")
    with pytest.raises(ValueError, match=r"thesis is there and is no bundle; choose another folder"):
        pull(place_of(refer("a")), out, replace=True)
    assert held(out) == {"chapter.txt": b"dear"}
    (tmp_path / "empty").mkdir()
    pull(place_of(refer("a")), tmp_path / "empty")
    assert held(tmp_path / "empty") == held(folder)


def test_an_interrupted_one_leaves_nothing(
    refer: Refer, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    push(folder, place_of(refer("a")))

    def interrupted(found: Path, place: Path) -> None:
        assert held(found) == held(folder)
        raise KeyboardInterrupt

    monkeypatch.setattr(transfer, "into_place", interrupted)
    with pytest.raises(KeyboardInterrupt):
        pull(place_of(refer("a")), tmp_path / "out" / "own")
    assert _entries(tmp_path / "out") == []


def test_somebody_may_be_faster(
    folder: Path, other_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def late(found: Path, place: Path) -> None:
        shutil.copytree(other_folder if place.name == "other" else found, place)
        found.rename(place)

    monkeypatch.setattr(transfer, "into_place", late)
    assert pull(place_of(str(folder)), tmp_path / "out" / "own").was_there
    assert held(tmp_path / "out" / "own") == held(folder)
    with pytest.raises(OSError, match=r"not empty"):
        pull(place_of(str(folder)), tmp_path / "out" / "other")
    assert _entries(tmp_path / "out") == ["other", "own"]


def test_what_a_killed_one_left_is_swept_after_a_day(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    for name in (".own.delivery-old", ".own.delivery-new", ".other.delivery-old"):
        (out / name).mkdir(parents=True)
    for name in (".own.delivery-old", ".other.delivery-old"):
        os.utime(out / name, (time.time() - 100_000,) * 2)
    pull(place_of(str(folder)), out / "own")
    assert _entries(out) == [".other.delivery-old", ".own.delivery-new", "own"]


def test_a_broken_bundle_is_not_pushed(refer: Refer, folder: Path, tmp_path: Path) -> None:
    (folder / "tokenizer.model").write_bytes(b"altered")
    with pytest.raises(BundleError, match=r"tokenizer.model was altered"):
        push(folder, place_of(refer("a")))


def test_an_archive_on_disk_is_overwritten_only_when_told(folder: Path, other_folder: Path, tmp_path: Path) -> None:
    place = place_of(str(tmp_path / "own.tar"))
    _, first = push(folder, place)
    with pytest.raises(ValueError, match=r"own.tar is there and is not the archive of small 2"):
        push(other_folder, place)
    assert pull(place, tmp_path / "one").digest == first
    _, second = push(other_folder, place, replace=True)
    assert pull(place, tmp_path / "two").digest == second


def test_a_manifest_that_names_files_elsewhere(folder: Path, tmp_path: Path) -> None:
    """They are not carried off."""
    (tmp_path / "secret").write_text("hush")
    contents = read_contents(folder)
    files = {**contents.files, "../secret": hashlib.sha256(b"hush").hexdigest()}
    write_manifest(folder, contents.manifest, contents.configs, files)
    with pytest.raises(BundleError, match=r"a bundle has no file of the name '../secret'"):
        pull(place_of(str(folder)), tmp_path / "own")


class TestFetched:
    """`fetched`, for a server that is told a reference instead of a folder."""

    def test_it_is_kept_by_its_digest(self, refer: Refer, folder: Path, tmp_path: Path, server: Server) -> None:
        _, digest = push(folder, place_of(refer("a")))
        found = fetched(refer("a"), tmp_path / "cache")
        assert held(found) == held(folder)
        if "tar" in refer("a") or "oci" in refer("a"):
            assert found == tmp_path / "cache" / digest.replace(":", "-")
            server.asked.clear()
            if not refer("a").startswith("/"):
                assert fetched(_pinned(refer("a"), digest), tmp_path / "cache") == found
                assert server.asked == []
            assert fetched(refer("a"), tmp_path / "cache") == found
            assert _entries(tmp_path / "cache") == [found.name]
        else:
            assert found == Path(refer("a"))

    @pytest.mark.parametrize("damaged", ["README.md", "manifest.json"])
    @pytest.mark.parametrize("is_gone", [False, True])
    @pytest.mark.parametrize("is_pinned", [False, True])
    def test_one_that_was_damaged_there_is_fetched_again(
        self, folder: Path, tmp_path: Path, server: Server, damaged: str, is_gone: bool, is_pinned: bool
    ) -> None:
        """It was trusted by its name, and refused for ever."""
        reference = f"oci://{server.host}/own:1"
        _, digest = push(folder, place_of(reference))
        found = fetched(reference, tmp_path / "cache")
        if is_gone:
            (found / damaged).unlink()
        else:
            (found / damaged).write_text("altered")
        assert fetched(f"{reference}@{digest}" if is_pinned else reference, tmp_path / "cache") == found
        assert held(found) == held(folder)
        assert _entries(tmp_path / "cache") == [found.name]
