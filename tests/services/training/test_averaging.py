"""The mean of two bundles."""

from pathlib import Path

import pytest
import torch

from rondo_models.backbone import BackboneConfig
from rondo_models.bundle import integer_files, load_bundle, save_bundle
from rondo_models.heads.classifier import ClassifierConfig
from rondo_models.manifest import BundleError, Manifest
from rondo_models.model import RondoModel
from rondo_services.training.averaging import average
from rondo_services.training.quantization import quantize

MANIFEST = Manifest("tiny", "1.0", ("en",), {"sentiment": {"languages": ["en"]}}, scores=({"task": "sentiment"},))


def _bundle(
    folder: Path,
    *,
    value: float = 0.0,
    hidden_size: int = 8,
    vocabulary: bytes = b"v",
    labels: tuple[str, ...] = ("no", "yes"),
) -> Path:
    model = RondoModel(
        BackboneConfig(20, embedding_size=8, hidden_size=hidden_size),
        {"sentiment": ClassifierConfig(labels=labels)},
    )
    for parameter in model.parameters():
        torch.nn.init.constant_(parameter, value)
    save_bundle(folder, MANIFEST, model, vocabulary, "# card")
    return folder


def test_every_weight_is_the_mean(tmp_path: Path) -> None:
    first, second = _bundle(tmp_path / "a", value=1.0), _bundle(tmp_path / "b", value=2.0)
    fingerprint = average(first, second, 0.75, tmp_path / "mean")
    mean = load_bundle(tmp_path / "mean")
    assert {float(value) for weight in mean.model.parameters() for value in weight.flatten()} == {1.75}
    assert mean.fingerprint == fingerprint
    assert mean.manifest.scores == ()
    assert mean.manifest.services == MANIFEST.services


@pytest.mark.parametrize(
    ("other", "why"), [({"hidden_size": 16}, "different shapes"), ({"vocabulary": b"w"}, "different vocabularies")]
)
def test_unlike_bundles_have_no_mean(tmp_path: Path, other: dict[str, object], why: str) -> None:
    first, second = _bundle(tmp_path / "a"), _bundle(tmp_path / "b", **other)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=why):
        average(first, second, 0.5, tmp_path / "mean")


def test_heads_with_other_labels_have_no_mean(tmp_path: Path) -> None:
    first, second = _bundle(tmp_path / "a"), _bundle(tmp_path / "b", labels=("yes", "no"))
    with pytest.raises(ValueError, match=r"labels or shapes differ: sentiment"):
        average(first, second, 0.5, tmp_path / "mean")


def test_it_is_not_written_over_what_is_not_its_own(tmp_path: Path) -> None:
    first, second = _bundle(tmp_path / "a"), _bundle(tmp_path / "b")
    for output in (first, second, tmp_path / "x" / ".." / "b"):
        with pytest.raises(ValueError, match="is what the new bundle is made of"):
            average(first, second, 0.5, output)
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "README.md").write_text("# Mine")
    with pytest.raises(BundleError, match="has something else than a bundle"):
        average(first, second, 0.5, tmp_path / "project")
    assert (tmp_path / "project" / "README.md").read_text() == "# Mine"


def test_what_was_stored_as_integers_no_longer_is(tmp_path: Path) -> None:
    quantize(_bundle(tmp_path / "a", value=1.0), tmp_path / "b")
    average(tmp_path / "a", tmp_path / "b", 0.5, tmp_path / "mean")
    mean = load_bundle(tmp_path / "mean")
    assert integer_files(mean.contents) == set()
    assert "weights" not in mean.manifest.training


def test_what_a_head_knows_of_the_vocabulary_has_no_mean(tmp_path: Path) -> None:
    """Numbers that are hashes: of an older bundle in 8-bit integers they may be other ones."""
    model = RondoModel(
        BackboneConfig(20, embedding_size=8, hidden_size=8),
        {"sentiment": ClassifierConfig(labels=("no", "yes"), ngram_buckets=8, ngram_unit="word")},
    )
    for name, value in (("a", 10.0), ("b", 20.0)):
        model.classifier("sentiment").know_pieces(torch.full((20, 10), value))
        save_bundle(tmp_path / name, MANIFEST, model, b"v", "# card")
    average(tmp_path / "a", tmp_path / "b", 0.5, tmp_path / "mean")
    pieces = load_bundle(tmp_path / "mean").model.classifier("sentiment").pieces
    assert pieces is not None
    assert torch.equal(pieces, torch.full((20, 10), 20.0))


def test_a_share_beyond_the_whole_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        average(_bundle(tmp_path / "a"), tmp_path / "a", 1.5, tmp_path / "mean")
