"""A bundle that `rondo bundle verify` calls whole can be served."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from rondo_models.bundle import Bundle, save_bundle
from rondo_models.manifest import BundleError, read_contents, write_manifest
from rondo_services.cli import app
from rondo_services.verification import verified


def test_a_bundle_is_whole(bundle: Bundle, bundle_folder: Path) -> None:
    assert verified(bundle_folder).manifest == bundle.manifest
    result = CliRunner().invoke(app, ["bundle", "verify", str(bundle_folder)])
    assert (result.exit_code, "tiny 1 is whole" in result.stdout) == (0, True)


def test_one_without_services_is_to_begin_from(bundle: Bundle, tmp_path: Path) -> None:
    save_bundle(tmp_path, replace(bundle.manifest, services={}), bundle.model, bundle.tokenizer, "")
    verified(tmp_path)


@pytest.mark.parametrize("vocabulary", [b"", b"garbage"])
def test_a_vocabulary_that_is_none(bundle: Bundle, tmp_path: Path, vocabulary: bytes) -> None:
    for services in (bundle.manifest.services, {}):
        save_bundle(tmp_path, replace(bundle.manifest, services=services), bundle.model, vocabulary, "")
        with pytest.raises(BundleError, match=r"tokenizer\.model"):
            verified(tmp_path)


def test_a_vocabulary_of_another_size(bundle: Bundle, french_bundle: Bundle, tmp_path: Path) -> None:
    save_bundle(tmp_path, bundle.manifest, bundle.model, french_bundle.tokenizer, "")
    with pytest.raises(BundleError, match=r"tokenizer\.model has \d+ pieces, the backbone \d+"):
        verified(tmp_path)


@pytest.mark.parametrize(
    ("service", "changes"),
    [
        ("sentiment", {"languages": None}),
        ("sentiment", {"running_head": "nobody"}),
        ("sentiment", {"running_head": ["running"]}),
        ("generation", {"languages": 5}),
        ("translation", {"pairs": None}),
        ("translation", {"pairs": ["en"]}),
        ("translation", {"pairs": [["en", "xx"]]}),
        ("translation", {"quality": {"en-de": {}}}),
        ("translation", {"quality": 3}),
        ("summarization", {"longest_source": None}),
        ("summarization", {"salience_head": "nobody"}),
    ],
)
def test_a_service_that_cannot_be_served(bundle_folder: Path, service: str, changes: dict[str, Any]) -> None:
    contents = read_contents(bundle_folder)
    services = {**contents.manifest.services, service: {**contents.manifest.services[service], **changes}}
    write_manifest(bundle_folder, replace(contents.manifest, services=services), contents.configs, contents.files)
    with pytest.raises(BundleError):
        verified(bundle_folder)
    assert CliRunner().invoke(app, ["bundle", "verify", str(bundle_folder)]).exit_code == 2
