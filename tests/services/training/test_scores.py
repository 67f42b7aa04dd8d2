import json
from pathlib import Path
from typing import Any

import pytest
import torch

from rondo_models.backbone import BackboneConfig
from rondo_models.bundle import load_bundle, save_bundle
from rondo_models.heads.language_model import LanguageModelConfig
from rondo_models.manifest import Manifest
from rondo_models.model import RondoModel
from rondo_services.training.card import model_card
from rondo_services.training.scores import add_scores

MANIFEST = Manifest(
    name="tiny",
    version="0.1.0",
    languages=("en", "de"),
    services={"generation": {"languages": ["en"]}, "translation": {"languages": ["en", "de"], "pairs": [["en", "de"]]}},
    data=({"set": "wikitext2", "licence": "CC BY-SA", "heads": ["generation"]},),
    training={"steps": 3, "rate": 0.000123456},
)
REPORT: dict[str, Any] = {
    "task": "generation",
    "data": "wikitext2",
    "split": "test",
    "metrics": {"word_perplexity": 123.456789, "nats": 9.5},
    "signature": "bundle:abc|n:1",
}


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    model = RondoModel(BackboneConfig(9, embedding_size=4, hidden_size=4), {"generation": LanguageModelConfig()})
    folder = tmp_path / "bundle"
    save_bundle(folder, MANIFEST, model, b"vocabulary", model_card(MANIFEST, model.configs()))
    return folder


def test_the_card_says_what_the_manifest_says(bundle: Path) -> None:
    card = (bundle / "README.md").read_text(encoding="utf-8")
    assert card.startswith("# tiny 0.1.0\n")
    assert "LSTM, 1 layer(s) of 4 in each direction, embedding 4, vocabulary 9" in card
    assert "- **generation**: en\n- **translation**: en→de\n" in card
    assert "| wikitext2 | CC BY-SA | generation |" in card
    assert "- rate: 0.0001235" in card
    assert "Not measured yet" in card


def test_scores_reach_manifest_and_card_but_not_the_fingerprint(bundle: Path, tmp_path: Path) -> None:
    before = load_bundle(bundle)
    path = tmp_path / "report.json"
    path.write_text(json.dumps({**REPORT, "bundle_fingerprint": before.fingerprint}), encoding="utf-8")
    add_scores(bundle, [path])
    after = load_bundle(bundle)
    assert after.fingerprint == before.fingerprint
    (score,) = after.manifest.scores
    assert score["metrics"] == {"word_perplexity": 123.457}
    assert score["signature"] == "bundle:abc|n:1"
    card = (bundle / "README.md").read_text(encoding="utf-8")
    assert "| generation | wikitext2 | test | word_perplexity 123.5 | `bundle:abc|n:1` |" in card
    assert "Not measured yet" not in card


def test_the_report_of_another_bundle_is_refused(bundle: Path, tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    path.write_text(json.dumps({**REPORT, "bundle_fingerprint": "0" * 64}), encoding="utf-8")
    with pytest.raises(ValueError, match=r"report\.json is the report of another bundle"):
        add_scores(bundle, [path])
    assert load_bundle(bundle).manifest.scores == ()
