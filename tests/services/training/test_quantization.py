"""A bundle in 8-bit integers: nearly the same answers, half the bytes, and nothing that was measured of the other."""

from pathlib import Path

import pytest
import torch

from rondo_models.backbone import BackboneConfig
from rondo_models.bundle import load_bundle, save_bundle
from rondo_models.heads.classifier import ClassifierConfig
from rondo_models.manifest import BundleError, Manifest
from rondo_models.model import RondoModel
from rondo_services.training.quantization import quantize

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
    model = RondoModel(
        BackboneConfig(200, embedding_size=64, hidden_size=64), {"sentiment": ClassifierConfig(labels=("no", "yes"))}
    )
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


def test_what_is_no_bundle_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="is no bundle"):
        quantize(tmp_path / "nothing", tmp_path / "small")
