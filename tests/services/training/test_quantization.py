"""A bundle in 8-bit integers: nearly the same answers, half the bytes, and nothing that was measured of the other."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from rondo_models.backbone import BackboneConfig
from rondo_models.bundle import load_bundle, save_bundle
from rondo_models.heads.classifier import ClassifierConfig
from rondo_models.manifest import BundleError, Manifest, read_contents
from rondo_models.model import RondoModel
from rondo_services.training.quantization import quantize
from rondo_services.training.unmeasured import unmeasured
from rondo_services.translation.quality import MANIFEST_KEY

MANIFEST = Manifest(
    "tiny",
    "1.0",
    ("en",),
    {"sentiment": {"languages": ["en"]}},
    scores=({"task": "sentiment"},),
    training={"steps": 3},
)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    torch.manual_seed(1)
    heads = {name: ClassifierConfig(labels=("no", "yes")) for name in ("sentiment", "topic")}
    model = RondoModel(BackboneConfig(200, embedding_size=64, hidden_size=64), heads)
    save_bundle(tmp_path / "source", MANIFEST, model, b"v", "# card")
    return tmp_path / "source"


def _bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*.safetensors"))


def test_the_weights_are_nearly_the_same_in_half_the_bytes(source: Path, tmp_path: Path) -> None:
    fingerprint = quantize(source, tmp_path / "small")
    before, after = load_bundle(source), load_bundle(tmp_path / "small")
    assert after.fingerprint == fingerprint != before.fingerprint
    assert after.model.configs() == before.model.configs()
    for (name, old), new in zip(before.model.state_dict().items(), after.model.state_dict().values(), strict=True):
        assert float((old - new).norm()) <= 0.02 * float(old.norm()), name
    assert _bytes(tmp_path / "small") < 0.6 * _bytes(source)


def test_the_manifest_tells_of_it_and_forgets_what_was_measured(source: Path, tmp_path: Path) -> None:
    quantize(source, tmp_path / "small")
    bundle = load_bundle(tmp_path / "small")
    assert bundle.manifest.scores == ()
    assert bundle.manifest.training == {"steps": 3, "weights": "8-bit integers"}
    assert "- weights: 8-bit integers" in (tmp_path / "small" / "README.md").read_text()


def test_of_one_head_alone_the_others_stay_as_they_are(source: Path, tmp_path: Path) -> None:
    quantize(source, tmp_path / "small", ["sentiment"])
    before, after = read_contents(source), read_contents(tmp_path / "small")
    changed = {name for name in before.files if before.files[name] != after.files[name]}
    assert changed - {"README.md"} == {"heads/sentiment.safetensors"}
    assert after.manifest.training["weights"] == "8-bit integers in sentiment"
    with pytest.raises(ValueError, match="has no head mood; it has sentiment, topic"):
        quantize(source, tmp_path / "small", ["mood", "topic"])


def test_of_all_but_one_head_that_one_stays_as_it_is(source: Path, tmp_path: Path) -> None:
    quantize(source, tmp_path / "small", but=["topic"])
    before, after = read_contents(source), read_contents(tmp_path / "small")
    changed = {name for name in before.files if before.files[name] != after.files[name]}
    assert changed - {"README.md"} == {"backbone.safetensors", "heads/sentiment.safetensors"}
    assert after.manifest.training["weights"] == "8-bit integers, but not in topic"


def test_heads_are_either_chosen_or_left_out(source: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="either the heads that are rounded"):
        quantize(source, tmp_path / "small", ["sentiment"], ["topic"])
    with pytest.raises(ValueError, match="has no head mood; it has sentiment, topic"):
        quantize(source, tmp_path / "small", but=["mood"])


def test_integers_stay_as_they_are(source: Path, tmp_path: Path) -> None:
    quantize(source, tmp_path / "small")
    quantize(tmp_path / "small", tmp_path / "again")
    quantize(tmp_path / "small", tmp_path / "one", ["topic"])
    small = read_contents(tmp_path / "small").files
    assert read_contents(tmp_path / "again").files == small
    assert {**read_contents(tmp_path / "one").files, "README.md": ""} == {**small, "README.md": ""}


def test_the_manifest_tells_what_the_files_are(source: Path, tmp_path: Path) -> None:
    """Of a second rounding it told only what was asked for, whatever was rounded already."""

    def stored_as(name: str) -> str:
        contents = read_contents(tmp_path / name)
        told: str = contents.manifest.training["weights"]
        assert f"- weights: {told}\n" in (tmp_path / name / "README.md").read_text()
        return told

    quantize(source, tmp_path / "one", ["topic"])
    quantize(tmp_path / "one", tmp_path / "two", ["sentiment"])
    assert stored_as("two") == "8-bit integers in sentiment, topic"
    quantize(tmp_path / "two", tmp_path / "all")
    assert stored_as("all") == "8-bit integers"
    quantize(source, tmp_path / "but", but=["topic"])
    quantize(tmp_path / "but", tmp_path / "again", ["sentiment"])
    assert stored_as("again") == "8-bit integers, but not in topic"
    quantize(tmp_path / "again", tmp_path / "completed", ["topic"])
    assert stored_as("completed") == "8-bit integers"


def test_a_head_that_is_rounded_cannot_be_left_out(source: Path, tmp_path: Path) -> None:
    quantize(source, tmp_path / "small")
    with pytest.raises(ValueError, match="has 8-bit integers in topic already"):
        quantize(tmp_path / "small", tmp_path / "again", but=["topic"])


def test_it_is_not_written_over_what_is_not_its_own(source: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="is what the new bundle is made of"):
        quantize(source, source)
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "manifest.json").write_text("{}")
    with pytest.raises(BundleError, match="has something else than a bundle"):
        quantize(source, tmp_path / "project")
    assert [path.name for path in (tmp_path / "project").iterdir()] == ["manifest.json"]


def test_other_services_stay_calibrated() -> None:
    services: dict[str, dict[str, Any]] = {
        name: {"languages": ["en"], MANIFEST_KEY: {"en→de": {}}} for name in ("sentiment", "translation")
    }
    manifest = replace(MANIFEST, services=services)
    kept = unmeasured(manifest, ["sentiment"])
    assert (MANIFEST_KEY in kept.services["sentiment"], MANIFEST_KEY in kept.services["translation"]) == (False, True)
    assert kept.scores == ()
    assert MANIFEST_KEY not in unmeasured(manifest).services["translation"]


def test_a_service_whose_helper_changed_is_not_calibrated_any_more() -> None:
    service = {"languages": ["en"], "salience_head": "salience", "standing": {"head": 1.0}}
    manifest = replace(MANIFEST, services={"summarization": service})
    assert "standing" in unmeasured(manifest, ["sentiment"]).services["summarization"]
    assert "standing" not in unmeasured(manifest, ["salience"]).services["summarization"]


def test_what_is_no_bundle_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="is no bundle"):
        quantize(tmp_path / "nothing", tmp_path / "small")
