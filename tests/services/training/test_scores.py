"""Reports in the manifest and on the card."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from rondo_models.backbone import BackboneConfig
from rondo_models.bundle import load_bundle, save_bundle
from rondo_models.heads.language_model import LanguageModelConfig
from rondo_models.manifest import Manifest, read_contents
from rondo_models.model import RondoModel
from rondo_services.errors import InvalidInput
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
    "num_examples": 4358,
    "metrics": {"word_perplexity": 123.456789, "nats": 9.5},
    "intervals": {"word_perplexity": [120.04, 126.96]},
    "signature": "bundle:abc|n:1",
}
OWN_FILE: dict[str, Any] = {
    **REPORT,
    "task": "sentiment",
    "data": "reviews.csv",
    "split": "",
    "metrics": {"accuracy": 80.0},
    "intervals": {},
    "breakdowns": {
        "language": [
            {"name": "en", "num": 30, "metrics": {"accuracy": 90.0}, "intervals": {"accuracy": [85.0, 95.0]}},
            {"name": "ko", "num": 20, "metrics": {"accuracy": 65.0}, "intervals": {}},
        ]
    },
    "worst": [{"line": 5, "text": "a secret", "expected": ["positive"], "predicted": "negative", "score": 0.01}],
    "histogram": {"measure": "p(label)"},
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
    assert card.count("Not stated") == 2
    assert "| wikitext2 | CC BY-SA | generation |" in card
    assert "- rate: 0.0001235" in card
    assert card.count("Not measured yet") == 3
    assert "Not recorded: the bundle is older" in card


@pytest.fixture
def add(bundle: Path, tmp_path: Path) -> Callable[..., str]:
    """Add reports, as of this bundle unless they say of which; the card."""

    def add(*reports: dict[str, Any]) -> str:
        paths = []
        for number, report in enumerate(reports):
            paths.append(tmp_path / f"report{number}.json")
            whole = {"bundle_fingerprint": load_bundle(bundle).fingerprint, **report}
            paths[-1].write_text(json.dumps(whole), encoding="utf-8")
        add_scores(bundle, paths)
        return (bundle / "README.md").read_text(encoding="utf-8")

    return add


def test_scores_reach_manifest_and_card_but_not_the_fingerprint(bundle: Path, add: Callable[..., str]) -> None:
    before = load_bundle(bundle)
    card = add(REPORT)
    after = load_bundle(bundle)
    assert after.fingerprint == before.fingerprint
    (score,) = after.manifest.scores
    assert score["metrics"] == {"word_perplexity": 123.457}
    assert (score["language"], score["signature"]) == ("en", "bundle:abc|n:1")
    assert "| generation | en | wikitext2 | test | 4,358 |  | Word perplexity 123.5 (120.0–127.0) |" in card
    assert "- `bundle:abc|n:1`" in card
    assert card.count("Not measured yet") == 1  # bias
    assert "No failures are kept" in card


def test_a_file_in_two_languages_has_scores_of_each_and_keeps_its_texts(add: Callable[..., str]) -> None:
    card = add(OWN_FILE)
    assert "| sentiment | en | reviews.csv |  | 30 |  | Accuracy 90.00 (85.00–95.00) |" in card
    assert "| sentiment | en, ko | reviews.csv |  | 4,358 |  | Accuracy 80.00 |" in card
    assert "| sentiment | ko | reviews.csv |  | 20 |  | Accuracy 65.00 |" in card
    assert "| 5 | positive | negative | 0.01 |" in card
    assert "a secret" not in card


def test_of_two_ways_to_ask_the_same_the_plainer_one_shows_the_failures(add: Callable[..., str]) -> None:
    wide = {"source": "ko", "target": "en", "beam_size": 32, "rerank": 0.7}
    plain = {"source": "ko", "target": "en", "beam_size": 4}
    worst = {"text": "줌 링크", "expected": ["The link."], "score": 3.0}
    reports = [
        {
            **REPORT,
            "task": "translation",
            "data": "stylekqc",
            "metrics": {"bleu": 20.0},
            "settings": settings,
            "worst": [{**worst, "line": line, "predicted": "Zoom."}],
            "histogram": {"measure": "chrF"},
        }
        for line, settings in enumerate((wide, plain), 1)
    ]
    card = add(*reports)
    assert "| translation | ko→en | stylekqc | test | 4,358 | beam size 32, rerank 0.7 | BLEU 20.0 |" in card
    assert "| 2 | 줌 링크 | The link. | Zoom. | 3 |" in card
    assert "| 1 | 줌 링크" not in card


@pytest.mark.parametrize(
    "report",
    [
        *[{**REPORT, "task": None}, {**REPORT, "task": 3}, {**REPORT, "task": ["generation"]}, {**REPORT, "task": {}}],
        {**REPORT, "task": "cooking"},
        *({**REPORT, "bundle_fingerprint": fingerprint} for fingerprint in (None, 5, ["a"])),
        *(
            {name: value for name, value in REPORT.items() if name != missing}
            for missing in ("data", "metrics", "split")
        ),
        {**REPORT, "metrics": {"word_perplexity": "good"}},
        {**REPORT, "metrics": None},
        {**REPORT, "settings": 3},
        {**REPORT, "intervals": {"word_perplexity": 3}},
        {**REPORT, "data": ["wikitext2"]},
        {**OWN_FILE, "histogram": None},
        {**OWN_FILE, "worst": [{"predicted": "negative"}]},
        {**REPORT, "task": "bias"},
    ],
)
def test_what_is_no_whole_report_is_refused(bundle: Path, add: Callable[..., str], report: dict[str, Any]) -> None:
    before = (bundle / "manifest.json").read_bytes()
    with pytest.raises(InvalidInput, match=r"report0\.json is no "):
        add(report)
    assert (bundle / "manifest.json").read_bytes() == before


def test_all_that_was_measured_is_replaced(bundle: Path, add: Callable[..., str]) -> None:
    add(OWN_FILE, REPORT)
    add(REPORT)
    manifest = load_bundle(bundle).manifest
    assert [score["task"] for score in manifest.scores] == ["generation"]
    assert (manifest.failures, manifest.probes) == ((), ())


def test_scores_of_an_older_bundle_are_still_shown(bundle: Path) -> None:
    contents = read_contents(bundle)
    old = {"task": "sentiment", "data": "sst2", "split": "test", "metrics": {"accuracy": 83.0}, "signature": "s|n:1"}
    card = model_card(replace(contents.manifest, scores=(old,)), contents.configs)
    assert "| sentiment |  | sst2 | test |  |  | Accuracy 83.00 |" in card


def test_what_is_no_report_of_the_bundle_is_refused(bundle: Path, add: Callable[..., str], tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"report0\.json is the report of another bundle"):
        add({**REPORT, "bundle_fingerprint": "0" * 64})
    path = tmp_path / "report.json"
    for text, message in (("{", "is not JSON"), ("[1]", "no report of rondo evaluate or rondo probe")):
        path.write_text(text, encoding="utf-8")
        with pytest.raises(InvalidInput, match=message):
            add_scores(bundle, [path])
    assert load_bundle(bundle).manifest.scores == ()


def test_reports_of_a_bundle_with_the_same_weights_for_it_count(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When only the head of another service was trained on, nothing need be measured again."""
    small = load_bundle(bundle).model
    configs = small.configs()
    del configs["backbone"]["encoder"]  # older bundles do not name it
    with monkeypatch.context() as then:
        then.setattr(small, "configs", lambda: configs)
        save_bundle(bundle, MANIFEST, small, b"vocabulary", "# card")
    before = load_bundle(bundle)
    heads = {"generation": LanguageModelConfig(), "other": LanguageModelConfig()}
    torch.manual_seed(0)
    model = RondoModel(before.model.backbone.config, heads)
    model.backbone.load_state_dict(before.model.backbone.state_dict())
    model.head("generation").load_state_dict(before.model.head("generation").state_dict())
    save_bundle(tmp_path / "grown", MANIFEST, model, b"vocabulary", "# card")
    path = tmp_path / "report.json"
    path.write_text(json.dumps({**REPORT, "bundle_fingerprint": before.fingerprint}), encoding="utf-8")
    with pytest.raises(InvalidInput, match="name its folder with --measured-with"):
        add_scores(tmp_path / "grown", [path])
    add_scores(tmp_path / "grown", [path], [bundle])
    assert [score["data"] for score in load_bundle(tmp_path / "grown").manifest.scores] == ["wikitext2"]
    with torch.no_grad():
        next(model.head("generation").parameters()).add_(1.0)
    save_bundle(tmp_path / "grown", MANIFEST, model, b"vocabulary", "# card")
    with pytest.raises(InvalidInput, match=f"of bundle {before.fingerprint[:12]}, in which other weights answer"):
        add_scores(tmp_path / "grown", [path], [bundle])


def test_what_an_earlier_card_says_is_kept_while_the_same_weights_answer(bundle: Path, tmp_path: Path) -> None:
    """Also beside a new report, unless that is of the same."""
    told = [
        {"task": "generation", "data": "wikitext2", "split": "test", "language": "en", "settings": settings}
        for settings in ({}, {"adapt": "cache"})
    ]
    told.append({"task": "sentiment", "data": "sst2", "split": "test", "language": "en", "settings": {}})
    told = [{**score, "metrics": {}, "signature": f"s{number}"} for number, score in enumerate(told)]
    failures = ({**told[2], "row": 7, "measure": "p(label)", "score": 0.01},)
    probes = ({"data": "sst2", "split": "test", "label": "", "signature": "p", "sentiment": [], "translation": []},)
    model = load_bundle(bundle).model
    earlier = replace(MANIFEST, scores=tuple(told), failures=failures, probes=probes)
    save_bundle(tmp_path / "earlier", earlier, model, b"vocabulary", "# card")
    fingerprint = save_bundle(tmp_path / "later", MANIFEST, model, b"vocabulary", "# card")
    report = tmp_path / "report.json"
    report.write_text(json.dumps({**REPORT, "bundle_fingerprint": fingerprint}), encoding="utf-8")
    add_scores(tmp_path / "later", [report], kept_from=tmp_path / "earlier")
    manifest = load_bundle(tmp_path / "later").manifest
    assert [score["signature"] for score in manifest.scores] == ["s1", "s2", "bundle:abc|n:1"]
    assert (manifest.failures, manifest.probes) == (failures, probes)
    with torch.no_grad():
        next(model.head("generation").parameters()).add_(1.0)
    save_bundle(tmp_path / "later", MANIFEST, model, b"vocabulary", "# card")
    add_scores(tmp_path / "later", [], kept_from=tmp_path / "earlier")
    assert [score["signature"] for score in load_bundle(tmp_path / "later").manifest.scores] == ["s2"]
