"""Calibration on dev data, into a bundle's manifest."""

import lzma
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy
import pytest
import torch

from rondo_models.backbone import BackboneConfig
from rondo_models.bundle import Bundle, load_bundle, save_bundle
from rondo_models.decoding.parameters import Hypothesis
from rondo_models.heads.seq2seq import Seq2SeqConfig
from rondo_models.manifest import Manifest
from rondo_models.model import RondoModel
from rondo_services.engine.requests import Search
from rondo_services.errors import InvalidInput
from rondo_services.evaluation.calibration import add_calibrations, calibrate, cross_validated, fit
from rondo_services.local import LocalSuite
from rondo_services.training.averaging import average
from rondo_services.translation.quality import TranslationQuality
from rondo_services.translation.service import TranslationService
from rondo_tokenizers.vocabulary import Tokenizer

PAIRS = [(f"I have {n} red apples here.", f"Ich habe hier {n} rote Birnen.") for n in range(60)]
SERVICES = {"translation": {"languages": ["en", "de"], "pairs": [["en", "de"]]}}


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    model = RondoModel(
        BackboneConfig(9, embedding_size=4, hidden_size=4), {"translation": Seq2SeqConfig(hidden_size=4)}
    )
    folder = tmp_path / "bundle"
    save_bundle(folder, Manifest("tiny", "0.1.0", ("en", "de"), SERVICES), model, b"vocabulary", "# card")
    return folder


def _suite(tokenizer: Tokenizer, bundle: Bundle | None = None) -> LocalSuite:
    """Its engine is as sure of every third translation as that is good, and of the others, which are bad, less."""

    def answer(work: Search) -> list[Hypothesis]:
        number = int(tokenizer.decode(work.ids).split()[2])
        ids = tuple(tokenizer.encode(PAIRS[number][1] if number % 3 == 0 else f"{number}"))
        return [Hypothesis(ids, -1.0, (len(ids) + 1) * (-0.1 if number % 3 == 0 else -1.5), "stop")]

    def run_blocking(works: Sequence[Search]) -> list[Any]:
        return [answer(work) for work in works]

    service = TranslationService(tokenizer, "translation", [("en", "de")])
    return cast(LocalSuite, SimpleNamespace(translation=service, run_blocking=run_blocking, bundle=bundle))


def _write_dev(folder: Path, pairs: Sequence[tuple[str, str]] = PAIRS) -> None:
    """Only the dev split, so that reading another one fails."""
    (folder / "tatoeba").mkdir()
    text = "".join(f"{source}\t{target}\n" for source, target in pairs)
    (folder / "tatoeba" / "eng-deu.dev.tsv.xz").write_bytes(lzma.compress(text.encode()))


def test_a_line_is_found_again() -> None:
    confidences = numpy.linspace(0.2, 0.9, 100)
    line = fit(confidences, 0.1 + 0.6 * confidences)
    assert (line.intercept, line.slope) == pytest.approx((0.1, 0.6))
    assert cross_validated(confidences, 0.1 + 0.6 * confidences) == pytest.approx((1, 1, 0))


def test_cross_validation_shows_that_noise_tells_nothing() -> None:
    generator = numpy.random.default_rng(0)
    confidences = generator.random(2000)
    pearson, spearman, error = cross_validated(confidences, generator.random(2000) + 0.02 * confidences)
    assert max(abs(pearson), abs(spearman)) < 0.1
    assert error < 0.05


def test_confidence_that_tells_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="do not get better"):
        fit(numpy.array([0.9, 0.1] * 40), numpy.array([0.2, 0.8] * 40))


def test_a_few_texts_are_refused(tokenizer: Tokenizer, tmp_path: Path) -> None:
    _write_dev(tmp_path, PAIRS[:20])
    with pytest.raises(ValueError, match="20 texts are too few"):
        calibrate(_suite(tokenizer), tmp_path, ["tatoeba-en-de"])


def test_the_bundle_knows_its_quality_and_stays_the_same_otherwise(
    bundle: Path, tokenizer: Tokenizer, tmp_path: Path
) -> None:
    _write_dev(tmp_path)
    before = load_bundle(bundle)
    suite = _suite(tokenizer, before)
    calibrations = calibrate(suite, tmp_path, ["tatoeba-en-de"])
    assert list(calibrations) == ["en-de"]
    assert calibrations["en-de"].num_texts == 60
    assert calibrations["en-de"].data == ("tatoeba-en-de",)
    assert calibrations["en-de"].pearson > 0.95
    add_calibrations(bundle, suite, calibrations)
    after = load_bundle(bundle)
    assert after.fingerprint == before.fingerprint
    assert after.manifest.services["translation"]["pairs"] == [["en", "de"]]
    quality = TranslationQuality.from_manifest(after.manifest.services["translation"])
    assert quality is not None
    good = quality.of("en", "de", [(4, Hypothesis((5, 6, 7), -1.0, -0.4, "stop"))])
    assert good == pytest.approx(1.0, abs=0.02)


def test_other_weights_are_not_calibrated(bundle: Path, tokenizer: Tokenizer, tmp_path: Path) -> None:
    _write_dev(tmp_path)
    suite = _suite(tokenizer, load_bundle(bundle))
    add_calibrations(bundle, suite, calibrate(suite, tmp_path, ["tatoeba-en-de"]))
    average(bundle, bundle, 0.5, tmp_path / "mean")
    assert load_bundle(tmp_path / "mean").manifest.services == SERVICES


def test_what_cannot_be_calibrated_is_said(
    tokenizer: Tokenizer, write_xz: Callable[[str, str], Path], tmp_path: Path
) -> None:
    write_xz("nsmc/ratings_train.txt.xz", "id\tdocument\tlabel\n1\tgood\t1\n")
    with pytest.raises(InvalidInput, match="nsmc has no dev split that this bundle translates"):
        calibrate(_suite(tokenizer), tmp_path, ["nsmc"])
    without = cast(LocalSuite, SimpleNamespace(translation=None))
    with pytest.raises(InvalidInput, match="no translation service"):
        calibrate(without, tmp_path, ["tatoeba-en-de"])
