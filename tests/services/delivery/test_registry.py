"""What is asked of a registry, and what is made of its answers."""

import json
import pwd
from pathlib import Path
from typing import Any

import pytest
from tests.services.delivery.folders import held
from tests.services.delivery.servers import PASSWORD, USER, Server

from rondo_models.manifest import BundleError
from rondo_services.delivery.digests import digest_of
from rondo_services.delivery.errors import Unreachable, Unsafe, WrongDigest
from rondo_services.delivery.reference import place_of
from rondo_services.delivery.transfer import fetched, pull, push
from rondo_services.delivery.web import Web


@pytest.fixture
def reference(server: Server) -> str:
    return f"oci://{server.host}/team/own:1"


def test_equal_files_are_kept_and_sent_once(
    server: Server, reference: str, folder: Path, other_folder: Path, tmp_path: Path
) -> None:
    push(folder, place_of(reference))
    num_files = len(held(folder))
    assert len(server.blobs) == num_files + 1  # and the empty configuration
    push(other_folder, place_of(reference.replace(":1", ":2")))
    assert len(server.blobs) == num_files + 3  # and another card and manifest
    pull(place_of(reference), tmp_path / "own")
    server.asked.clear()
    pull(place_of(reference.replace(":1", ":2")), tmp_path / "own", replace=True)
    assert server.gets_of_blobs() == 2
    assert held(tmp_path / "own") == held(other_folder)


def test_a_user_without_a_home_is_nobody_special(
    server: Server, reference: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a container with another user it was a traceback."""

    def no_entry(number: int) -> None:
        raise KeyError(number)

    monkeypatch.delenv("HOME")
    monkeypatch.setattr(pwd, "getpwuid", no_entry)
    push(folder, place_of(reference))
    assert pull(place_of(reference), tmp_path / "own").bundle.title == "small 1"


def test_what_the_manifest_says(server: Server, reference: str, folder: Path) -> None:
    push(folder, place_of(reference))
    told = json.loads(server.manifests["1"])
    assert told["artifactType"] == "application/vnd.rondo.bundle.v1"
    titles = [layer["annotations"]["org.opencontainers.image.title"] for layer in told["layers"]]
    assert titles[0] == "manifest.json"
    assert sorted(titles) == sorted(held(folder))
    assert told["annotations"]["org.opencontainers.image.version"] == "1"
    assert told["annotations"]["dev.rondo.services"] == "generation,sentiment,summarization,translation"


def test_a_digest_alone_is_enough(server: Server, reference: str, folder: Path, tmp_path: Path) -> None:
    _, digest = push(folder, place_of(reference))
    by_digest = f"oci://{server.host}/team/own@{digest}"
    assert pull(place_of(by_digest), tmp_path / "own").digest == digest
    server.manifests.clear()
    assert push(folder, place_of(by_digest))[1] == digest
    assert list(server.manifests) == [digest]


def test_a_registry_that_sends_another_manifest_is_found_out(
    server: Server, reference: str, folder: Path, other_folder: Path, tmp_path: Path
) -> None:
    _, digest = push(folder, place_of(reference))
    push(other_folder, place_of(reference.replace(":1", ":2")))
    server.manifests[digest] = server.manifests["2"]
    with pytest.raises(WrongDigest, match=f"has the digest sha256:.*, not {digest}"):
        pull(place_of(f"{reference}@{digest}"), tmp_path / "out" / "own")
    assert list((tmp_path / "out").iterdir()) == []


def test_a_registry_that_sends_another_file_is_found_out(
    server: Server, reference: str, folder: Path, tmp_path: Path
) -> None:
    push(folder, place_of(reference))
    card = digest_of(b"# Small\n")
    server.blobs[card] = b"# Smell\n"
    with pytest.raises(WrongDigest, match=r"README.md of oci://.* has the digest"):
        pull(place_of(reference), tmp_path / "out" / "own")
    server.blobs[card] = b"# Small\n" * 1000
    with pytest.raises(Unsafe, match=r"is larger than 8 bytes"):
        pull(place_of(reference), tmp_path / "out" / "own")
    del server.blobs[card]
    with pytest.raises(Unreachable, match=r"answered 404 Not Found; BLOB_UNKNOWN: blob_unknown"):
        pull(place_of(reference), tmp_path / "out" / "own")
    assert list((tmp_path / "out").iterdir()) == []


def _changed(server: Server, **changes: Any) -> None:
    """Put another manifest in the place of the tag's."""
    server.manifests["1"] = json.dumps(json.loads(server.manifests["1"]) | changes).encode()


def test_what_is_no_bundle_is_refused(server: Server, reference: str, folder: Path, tmp_path: Path) -> None:
    push(folder, place_of(reference))
    layers = json.loads(server.manifests["1"])["layers"]
    first, *others = layers

    def named(name: str, **changes: Any) -> dict[str, Any]:
        return {**others[0], **changes, "annotations": {"org.opencontainers.image.title": name}}

    cases: list[tuple[dict[str, Any], type[Exception], str]] = [
        ({"artifactType": "application/vnd.other"}, BundleError, "is of the type application/vnd.other, not"),
        ({"artifactType": None}, BundleError, "is of the type application/vnd.oci.empty"),
        ({"layers": others}, BundleError, "has no manifest.json"),
        ({"layers": layers[:-1]}, BundleError, "lists .*, which did not come"),
        ({"layers": [*layers, named("run.sh")]}, Unsafe, "run.sh is not listed in manifest.json"),
        ({"layers": [*layers, named("../run.sh")]}, Unsafe, "a bundle has no file of the name '../run.sh'"),
        ({"layers": [*layers, named("README.md")]}, Unsafe, "README.md comes twice"),
        ({"layers": [first, named("README.md", size=-1), *others[1:]]}, BundleError, "greater than or equal to 0"),
        ({"layers": [first, named("README.md", size=1 << 50), *others[1:]]}, Unsafe, "bytes, more than"),
        ({"layers": [first, named("README.md", digest="md5:1"), *others[1:]]}, BundleError, "can't be read"),
        ({"layers": [{**first, "size": 1 << 30}, *others]}, Unsafe, "manifest.json of .* is larger than"),
        ({"layers": [first, named("README.md", digest=first["digest"]), *others[1:]]}, WrongDigest, "README.md of"),
        ({"layers": [first, {**others[0], "annotations": {}}]}, BundleError, "layers.1.annotations.org.*required"),
        ({"layers": [first, {**others[0], "size": "Infinity"}]}, BundleError, "layers.1.size"),
        ({"layers": "none"}, BundleError, "has a manifest that can't be read"),
    ]
    for changes, kind, message in cases:
        push(folder, place_of(reference))
        _changed(server, **changes)
        with pytest.raises(kind, match=message):
            pull(place_of(reference), tmp_path / "out" / "own")
    server.manifests["1"] = b"<html>"
    with pytest.raises(BundleError, match=r"has a manifest that can't be read"):
        pull(place_of(reference), tmp_path / "out" / "own")
    with pytest.raises(Unreachable, match=r"answered 404 Not Found; MANIFEST_UNKNOWN"):
        pull(place_of(reference.replace(":1", ":none")), tmp_path / "out" / "own")
    assert list((tmp_path / "out").iterdir()) == []


def _docker_config(content: dict[str, Any]) -> None:
    folder = Path.home() / ".docker"
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps(content))


@pytest.mark.parametrize("challenge", ["basic", "bearer"])
def test_who_is_known_may_push_and_pull(
    server: Server, reference: str, folder: Path, tmp_path: Path, challenge: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.challenge = challenge
    with pytest.raises(Unreachable, match=r"401"):
        push(folder, place_of(reference))
    _docker_config({"auths": {server.host: {"username": USER, "password": "wrong"}}})
    with pytest.raises(Unreachable, match=r"401") as refusal:
        push(folder, place_of(reference))
    assert "wrong" not in str(refusal.value)
    monkeypatch.setenv("RONDO_REGISTRY_USERNAME", USER)
    monkeypatch.setenv("RONDO_REGISTRY_PASSWORD", PASSWORD)
    push(folder, place_of(reference))
    pull(place_of(reference), tmp_path / "own")
    assert held(tmp_path / "own") == held(folder)


def test_an_identity_token(server: Server, reference: str, folder: Path) -> None:
    server.challenge = "bearer"
    _docker_config({"auths": {server.host: {"identitytoken": PASSWORD}}})
    push(folder, place_of(reference))
    assert "1" in server.manifests


def test_a_file_kept_elsewhere_is_fetched_without_our_credentials(
    server: Server, reference: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As registries that keep blobs in a storage of the cloud do."""
    push(folder, place_of(reference))
    server.challenge = "basic"
    monkeypatch.setenv("RONDO_REGISTRY_USERNAME", USER)
    monkeypatch.setenv("RONDO_REGISTRY_PASSWORD", PASSWORD)
    card = digest_of(b"# Small\n")
    server.files["/storage/card"] = server.blobs.pop(card)
    elsewhere = f"http://localhost:{server.server_port}/storage/card"
    server.moved[f"/v2/team/own/blobs/{card}"] = elsewhere
    pull(place_of(reference), tmp_path / "own")
    assert [brought for path, brought in server.authorizations if path == "/storage/card"] == [""]
    assert any(brought for path, brought in server.authorizations if path.startswith("/v2/"))


def test_nobody_leads_us_to_where_nothing_is_encrypted(
    server: Server, reference: str, folder: Path, tmp_path: Path
) -> None:
    push(folder, place_of(reference))
    server.moved["/v2/team/own/manifests/1"] = "http://elsewhere.test/manifest"
    with pytest.raises(Unsafe, match=r"http://elsewhere.test/manifest is not encrypted"):
        pull(place_of(reference), tmp_path / "own")
    with pytest.raises(Unreachable, match=r"https://.* did not answer: .*SSL"):
        pull(place_of(reference, web=Web(False)), tmp_path / "own")


def test_what_passes_is_tried_again(server: Server, reference: str, folder: Path, tmp_path: Path) -> None:
    push(folder, place_of(reference))
    path = "/v2/team/own/manifests/1"
    server.failures[path] = [503, 502]
    fetched(reference, tmp_path / "cache")
    server.failures[path] = [503, 502, 429]
    with pytest.raises(Unreachable, match=r"answered 429 Too Many Requests; UNWELL: unwell"):
        fetched(reference, tmp_path / "cache")
    server.failures[path] = [500]
    with pytest.raises(Unreachable, match=r"answered 500"):
        fetched(reference, tmp_path / "cache")


def test_what_is_no_token(server: Server, reference: str, folder: Path) -> None:
    server.challenge = "bearer"
    server.moved["/token"] = "/token.json"
    server.files["/token.json"] = b"[]"
    with pytest.raises(Unreachable, match=r"/token answers with something else than a token"):
        push(folder, place_of(reference))


@pytest.mark.parametrize("manifest", [b'{"files": ' + b"[" * 100_000, b'{"files": 3}', b'{"files": {"x": 3}}', b"\xff"])
def test_a_manifest_of_a_bundle_that_is_none(
    server: Server, reference: str, folder: Path, tmp_path: Path, manifest: bytes
) -> None:
    push(folder, place_of(reference))
    layers = json.loads(server.manifests["1"])["layers"]
    digest = digest_of(manifest)
    server.blobs[digest] = manifest
    _changed(server, layers=[{**layers[0], "digest": digest, "size": len(manifest)}])
    with pytest.raises(BundleError, match=r"manifest.json (is none of a bundle|lists x, which did not come)"):
        pull(place_of(reference), tmp_path / "own")
