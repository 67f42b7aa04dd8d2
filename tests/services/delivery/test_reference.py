"""How places are written."""

from pathlib import Path

import pytest

from rondo_services.delivery.archive_places import ArchiveFile, ArchiveUrl
from rondo_services.delivery.folder_place import FolderPlace
from rondo_services.delivery.reference import place_of
from rondo_services.delivery.registry_place import RegistryPlace
from rondo_services.delivery.web import Web

HEX = "ab" * 32
PIN = f"sha256:{HEX}"


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        ("bundles/own", FolderPlace(Path("bundles/own"), None)),
        ("/a/own.tar", ArchiveFile(Path("/a/own.tar"), None)),
        ("file:///a/b%20c", FolderPlace(Path("/a/b c"), None)),
        (f"file:///a/own.tar#sha256={HEX.upper()}", ArchiveFile(Path("/a/own.tar"), PIN)),
        (f"https://u:p@h.test/own.tar?sig=1#sha256={HEX}", ArchiveUrl("https://u:p@h.test/own.tar?sig=1", PIN, Web())),
        ("http://localhost:8/own.tar", ArchiveUrl("http://localhost:8/own.tar", None, Web())),
        ("oci://Ghcr.io/team/own:1.0", RegistryPlace("ghcr.io", "team/own", "1.0", None, Web())),
        (f"oci://h.test:5000/own@{PIN}", RegistryPlace("h.test:5000", "own", "", PIN, Web())),
        (f"oci://[::1]:5000/a/b-c/d:v_1@{PIN}", RegistryPlace("[::1]:5000", "a/b-c/d", "v_1", PIN, Web())),
    ],
)
def test_what_is_meant(reference: str, expected: object) -> None:
    assert place_of(reference) == expected


def test_a_digest_of_its_own() -> None:
    assert place_of("/a/own.tar", PIN.upper().replace("SHA", "sha")).pin == PIN
    assert place_of(f"oci://h.test/own:1@{PIN}", PIN).pin == PIN
    with pytest.raises(ValueError, match=r"two digests are given that differ"):
        place_of(f"oci://h.test/own@{PIN}", "sha256:" + "cd" * 32)


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("", "give a folder, a .tar file"),
        ("ftp://h.test/own.tar", "ftp:// is not known; give a folder"),
        ("oci://h.test/own", "give a tag or a digest"),
        ("oci://h.test/Own:1", "a registry's place is like oci://"),
        ("oci://u:p@h.test/own:1", "a registry's place is like oci://"),
        ("oci://h.test/own:1#sha256=ab", "a registry's place is like oci://"),
        ("oci://h.test/own@sha256:ab", "a digest is sha256: and 64 hexadecimal digits, not 'sha256:ab'"),
        ("https://h.test/own.tar#md5=ab", "only #sha256=… can follow a URL"),
        ("https://h.test/own.zip", "the URL of a bundle ends in .tar"),
        ("https:///own.tar", "names no host"),
        ("https://[h.test/own.tar", "the address can't be read"),
        ("https://h.test:99999/own.tar", "the address can't be read: Port out of range"),
        ("oci://h.test:99999/own:1", "the address can't be read: Port out of range"),
        ("oci://[1:2]/own:1", "the address can't be read"),
        ("http://h.test/own.tar", "not encrypted; use https, or allow it with --plain-http"),
        ("file://h.test/own", "a file URL is like file:///path"),
    ],
)
def test_what_is_no_reference(reference: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        place_of(reference)


def test_no_message_shows_credentials() -> None:
    with pytest.raises(ValueError, match=r"ends in .tar") as refusal:
        place_of("https://me:hush@h.test/own.zip?sig=hush")
    assert "hush" not in str(refusal.value)
    with pytest.raises(ValueError, match=r"the address can't be read: it is no URL"):
        place_of("https://me:hush/hush@h.test/own.tar")
    place = place_of("https://me:hush@h.test/own.tar?sig=hush")
    assert place.shown == "https://h.test/own.tar"


def test_plain_http_can_be_allowed_and_forbidden() -> None:
    assert place_of("http://h.test/own.tar", web=Web(True)).shown == "http://h.test/own.tar"
    with pytest.raises(ValueError, match=r"not encrypted"):
        place_of("http://localhost/own.tar", web=Web(False))
