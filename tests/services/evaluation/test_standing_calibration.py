"""How much a sentence's standing counts is fitted on dev texts, into a bundle's manifest."""

import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy
import pytest
import torch
from typer.testing import CliRunner

from rondo_models.bundle import Bundle, load_bundle, save_bundle
from rondo_models.heads.classifier import ClassifierConfig
from rondo_models.heads.seq2seq import Seq2SeqConfig
from rondo_models.manifest import Manifest
from rondo_models.model import HeadConfig, RondoModel
from rondo_services.cli import app
from rondo_services.errors import InvalidInput
from rondo_services.evaluation.standing_calibration import RatedText, calibrate_standing, cross_validated, fit
from rondo_services.local import LocalSuite, load_suite
from rondo_services.summarization.standing import StandingWeights

WORDS = ("boat", "train", "river", "house", "bird", "tree", "stone", "road")
FILLING = ("It rains.", "Nobody knows.", "Time goes by.")


@pytest.fixture
def folder(bundle: Bundle, tmp_path: Path) -> Path:
    """A bundle whose head for sentences has random weights."""
    torch.manual_seed(3)
    heads: dict[str, HeadConfig] = {
        "summarization": Seq2SeqConfig(hidden_size=12, copy=True),
        "salience": ClassifierConfig(labels=("other", "summary"), hidden_size=8),
    }
    model = RondoModel(bundle.model.backbone.config, heads)
    service = {"languages": ["en"], "longest_source": 32, "salience_head": "salience"}
    save_bundle(
        tmp_path / "bundle",
        Manifest("tiny", "1", ("en",), {"summarization": service}),
        model,
        bundle.tokenizer,
        "# card",
    )
    return tmp_path / "bundle"


@pytest.fixture
def suite(folder: Path) -> Iterator[LocalSuite]:
    loaded = load_suite(folder, precision="float32")
    yield loaded
    loaded.close()


def _write_dev(root: Path, num: int = 64) -> None:
    """Of four sentences, the last is the summary."""
    (root / "scitldr").mkdir()
    rows = []
    for number in range(num):
        own = f"The {WORDS[number % 8]} is near the {WORDS[number // 8 % 8]}."
        rows.append({"source": [*FILLING, own], "source_labels": [0, 0, 0, 1], "target": [own]})
    (root / "scitldr" / "dev.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")


def _texts(generator: numpy.random.Generator, num: int, weights: tuple[float, ...], points: float) -> list[RatedText]:
    """Whose ROUGE is a linear function of the features."""
    features = [generator.normal(size=(int(generator.integers(2, 7)), len(weights))) for _ in range(num)]
    return [RatedText(own, points * own @ numpy.array(weights)) for own in features]


def test_what_makes_sentences_better_is_found() -> None:
    texts = _texts(numpy.random.default_rng(0), 2000, (0.5, -1.0, 0.0), points=6.0)
    assert fit(texts) == pytest.approx([0.5, -1.0, 0.0], abs=0.05)


def test_without_anything_to_learn_the_head_counts_as_it_is() -> None:
    texts = [RatedText(numpy.zeros((3, 4)), numpy.array([10.0, 20.0, 30.0]))] * 60
    assert fit(texts) == pytest.approx([1, 0, 0, 0])


def test_cross_validation_knows_nothing_of_the_texts_themselves() -> None:
    """Noise is fitted, but chooses no better than chance."""
    generator = numpy.random.default_rng(1)
    texts = [RatedText(generator.normal(size=(4, 12)), generator.normal(size=4)) for _ in range(100)]
    weights = fit(texts)
    inside = float(numpy.mean([own.rouges[(own.features @ weights).argmax()] for own in texts]))
    outside = float(numpy.mean(cross_validated(texts)))
    assert inside > outside + 0.1
    assert abs(outside) < 0.35


def test_the_bundle_chooses_by_place_then_and_stays_the_same_otherwise(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "data"
    root.mkdir()
    _write_dev(root)
    monkeypatch.setenv("RONDO_DATA", str(root))
    before = load_bundle(folder)
    command = ["bundle", "calibrate", "scitldr", "--service", "summarization", "--bundle", str(folder)]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.output
    assert "64 texts, mean of ROUGE-1, -2 and -L of the chosen sentence:" in result.output
    assert "100.0 with how sentences stand, cross-validated" in result.output
    after = load_bundle(folder)
    assert after.fingerprint == before.fingerprint
    service = after.manifest.services["summarization"]
    assert service["longest_source"] == 32
    assert service["standing"]["data"] == ["scitldr"]
    told = CliRunner().invoke(
        app,
        ["summarize", "--method", "choose", "--bundle", str(folder), "It rains. Nobody knows. Time goes by. A stone."],
    )
    assert "A stone." in told.output
    own = ["--task", "summarization", "--data", "scitldr", "--split", "dev", "--set", "method=choose", "--no-baselines"]
    measured = CliRunner().invoke(
        app, ["evaluate", *own, "--bundle", str(folder), "--output", str(tmp_path / "report")]
    )
    assert measured.exit_code == 0, measured.output
    weights = StandingWeights.from_manifest(service)
    assert weights is not None
    assert f"|standing:{weights.digest[:12]}|" in measured.output


def test_what_cannot_be_calibrated_is_said(suite: LocalSuite, tmp_path: Path) -> None:
    _write_dev(tmp_path, num=20)
    with pytest.raises(ValueError, match="20 texts are too few"):
        calibrate_standing(suite, tmp_path, ["scitldr"])
    (tmp_path / "tatoeba").mkdir()
    without = cast(LocalSuite, SimpleNamespace(summarization=None))
    with pytest.raises(InvalidInput, match="no head that chooses sentences"):
        calibrate_standing(without, tmp_path, ["scitldr"])


def test_pairs_of_two_languages_are_no_summaries(suite: LocalSuite, tmp_path: Path, write_xz: Any) -> None:
    write_xz("tatoeba/eng-deu.dev.tsv.xz", "the boat\tdas Boot\n" * 60)
    with pytest.raises(InvalidInput, match="tatoeba-en-de has no dev split of texts with summaries"):
        calibrate_standing(suite, tmp_path, ["tatoeba-en-de"])
