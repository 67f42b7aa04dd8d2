import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rondo_models.bundle import load_bundle
from rondo_models.config import ConfigError
from rondo_services.datasets.examples import Split
from rondo_services.training import trials
from rondo_services.training.recipe import recipe_from
from rondo_services.training.trials import TrialOptions, as_text, run_trials, varied

GOOD, BAD = ("warm", "kind", "bright", "lovely"), ("cold", "rude", "grim", "awful")
NOUNS = ("soup", "room", "waiter", "garden", "bread", "view", "music", "price")


@pytest.fixture
def mr(values: dict[str, Any], tmp_path: Path) -> dict[str, Any]:
    """A recipe for a tiny set with folds, which is written to `tmp_path`."""
    rows = [
        f"{label} the {noun} was {word} and the {other} {word} ."
        for label, words in enumerate((BAD, GOOD))
        for word in words
        for noun in NOUNS
        for other in NOUNS
    ]
    (tmp_path / "sentence_classification").mkdir()
    (tmp_path / "sentence_classification" / "rt-polarity.all").write_text("\n".join(rows) + "\n", encoding="cp1252")
    return {
        **values,
        "heads": {"sentiment": {"kind": "classifier", "labels": ["negative", "positive"], "hidden_size": 16}},
        "backbone": {"embedding_size": 16, "hidden_size": 16},
        "data": [{"set": "mr", "head": "sentiment"}],
        "training": {"steps": 80, "warmup_steps": 2, "micro_batches": 1, "learning_rate": 1e-2, "ema_decay": 0.9},
    }


def _options(tmp_path: Path, split: Split = "dev", **changed: Any) -> TrialOptions:
    given: dict[str, Any] = {"seeds": [1, 5], "folds": [1, 2], **changed}
    return TrialOptions(split=split, root=tmp_path, folder=tmp_path / "trials", **given)


def test_every_seed_answers_for_the_texts_of_all_folds(
    mr: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = run_trials(recipe_from(mr), _options(tmp_path))
    tried = [(own["seed"], own["fold"]) for own in report["trials"]]
    assert tried == [(1, 1), (1, 2), (5, 1), (5, 2)]
    assert report["metrics"]["accuracy"]["num"] == 2
    assert report["metrics"]["accuracy"]["mean"] == pytest.approx(
        sum(own["accuracy"] for own in report["seeds"].values()) / 2, abs=0.01
    )
    assert report["metrics"]["accuracy"]["mean"] > 90
    assert set(report["baselines"]) == {"tfidf-logistic-regression", "nb-svm"}
    assert report["baselines"]["nb-svm"] > 90
    text = as_text(report)
    assert f"tiny: mr dev, {report['num_texts']} texts in 2 folds" in text
    assert f"{report['metrics']['accuracy']['mean']:.2f} ± " in text
    assert json.loads((tmp_path / "trials" / "dev.json").read_text()) == report

    monkeypatch.setattr(trials, "run_recipe", lambda *_: pytest.fail("trained again"))
    tested = run_trials(recipe_from(mr), _options(tmp_path, "test", baselines=False))
    assert tested["num_texts"] > report["num_texts"]
    assert tested["baselines"] == {}
    assert not list((tmp_path / "trials").rglob("*.pt"))


def test_trials_of_another_recipe_are_not_taken_for_this_ones(mr: dict[str, Any], tmp_path: Path) -> None:
    options = _options(tmp_path, seeds=[1], folds=[1], baselines=False)
    mr["training"]["steps"] = 2
    run_trials(recipe_from(mr), options)
    mr["training"]["steps"] = 3
    with pytest.raises(
        ConfigError, match="seed-1-fold-1 has a trial of another recipe, initial bundle or teacher; name"
    ):
        run_trials(recipe_from(mr), options)


def test_trials_start_from_a_bundle_and_are_not_taken_for_those_that_do_not(mr: dict[str, Any], tmp_path: Path) -> None:
    mr["training"]["steps"] = 2
    options = _options(tmp_path, seeds=[1], folds=[1], baselines=False)
    assert run_trials(recipe_from(mr), options)["init"] is None
    init = load_bundle(tmp_path / "trials" / "seed-1-fold-1" / "bundle")
    with pytest.raises(ConfigError, match="another recipe, initial bundle or teacher"):
        run_trials(recipe_from(mr), replace(options, init=init))
    begun = replace(options, init=init, folder=tmp_path / "begun")
    assert run_trials(recipe_from(mr), begun)["init"] == init.fingerprint
    log = (tmp_path / "begun" / "seed-1-fold-1" / "log.jsonl").read_text(encoding="utf-8").splitlines()
    assert json.loads(log[0])["heads"] == {"sentiment": "the bundle's"}


def test_a_seed_is_that_of_every_phase_and_a_fold_of_every_set_that_has_some(mr: dict[str, Any]) -> None:
    mr["heads"]["generation"] = {"kind": "language_model"}
    mr["data"] += [{"set": "mr", "head": "generation"}, {"set": "sst2", "head": "sentiment"}]
    mr["fine_tune"] = {"sentiment": {"steps": 1}}
    recipe = varied(recipe_from(mr), 7, 4)
    assert [recipe.training.seed, recipe.fine_tune["sentiment"].seed] == [7, 7]
    assert [entry.fold for entry in recipe.data] == [4, 4, 1]


def test_what_cannot_be_tried(mr: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"seeds must be different numbers, at least one, not \[1, 1\]"):
        _options(tmp_path, seeds=[1, 1])
    with pytest.raises(ConfigError, match=r"folds must be different numbers, at least one, not \[\]"):
        _options(tmp_path, folds=[])
    with pytest.raises(ConfigError, match="fold 2: none of the recipe's data sets has folds"):
        varied(recipe_from({**mr, "data": [{"set": "sst2", "head": "sentiment"}]}), 1, 2)
    with pytest.raises(ConfigError, match="the recipe tiny has none"):
        run_trials(recipe_from({**mr, "data": [{"set": "reviews.csv", "head": "sentiment"}]}), _options(tmp_path))


def test_a_trial_learns_from_the_teacher_of_its_fold(mr: dict[str, Any], tmp_path: Path) -> None:
    run_trials(recipe_from(mr), _options(tmp_path, seeds=[1], baselines=False))
    mr["data"][0]["distillation"] = 0.5
    path = str(tmp_path / "trials" / "seed-1-fold-{fold}" / "bundle")
    options = replace(_options(tmp_path, seeds=[2], baselines=False, teachers=[path]), folder=tmp_path / "taught")
    report = run_trials(recipe_from(mr), options)
    assert report["teachers"] == [path]
    for fold in (1, 2):
        bundle = load_bundle(tmp_path / "taught" / f"seed-2-fold-{fold}" / "bundle")
        teacher = load_bundle(tmp_path / "trials" / f"seed-1-fold-{fold}" / "bundle")
        assert bundle.manifest.training["teachers"] == [teacher.fingerprint]
    with pytest.raises(ConfigError, match="another recipe, initial bundle or teacher"):
        run_trials(
            recipe_from(mr), replace(options, teachers=[path, path.replace("trials", "taught").replace("-1-", "-2-")])
        )
    with pytest.raises(ConfigError, match="seed-1-fold-1/bundle is named twice"):
        run_trials(recipe_from(mr), replace(options, teachers=[path, path]))


def test_one_teacher_for_several_folds_would_know_too_much(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"the teacher bundle may know other folds' texts; name one a fold"):
        _options(tmp_path, teachers=["bundle"])
    assert _options(tmp_path, folds=[1], teachers=["bundle"]).teachers == ["bundle"]
