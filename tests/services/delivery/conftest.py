"""A small bundle in a folder, a server, and nobody's credentials."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.services.delivery.servers import Server, running_server

from rondo_models.bundle import Bundle, save_bundle
from rondo_services.delivery import web


@pytest.fixture
def folder(bundle: Bundle, tmp_path: Path) -> Path:
    """A bundle's, called `small 1`."""
    made = tmp_path / "small"
    manifest = replace(bundle.manifest, name="small", version="1")
    save_bundle(made, manifest, bundle.model, bundle.tokenizer, "# Small\n")
    return made


@pytest.fixture
def other_folder(bundle: Bundle, tmp_path: Path) -> Path:
    """The same weights with another card, called `small 2`."""
    made = tmp_path / "other"
    manifest = replace(bundle.manifest, name="small", version="2")
    save_bundle(made, manifest, bundle.model, bundle.tokenizer, "# Small, again\n")
    return made


@pytest.fixture
def server() -> Iterator[Server]:
    with running_server() as running:
        yield running


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No user's files, no proxies, and no pauses."""
    for name in ("REGISTRY_AUTH_FILE", "DOCKER_CONFIG", "XDG_RUNTIME_DIR", "NETRC"):
        monkeypatch.delenv(name, raising=False)
    for name in ("RONDO_REGISTRY_USERNAME", "RONDO_REGISTRY_PASSWORD", "HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setattr(web, "_PAUSES_S", (0.0, 0.0))
