import gzip
import json
import lzma
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.services.training.words import WORDS

from rondo_models.bundle import load_bundle
from rondo_models.config import ConfigError
from rondo_models.manifest import rewrite_manifest
from rondo_models.training.progress import RunLog
from rondo_services.datasets.examples import SPLITS
from rondo_services.local import suite_of
from rondo_services.training.origins import data_of, service_of
from rondo_services.training.piece_table import piece_table
from rondo_services.training.quantization import quantize
from rondo_services.training.recipe import recipe_from
from rondo_services.training.run import RunOptions, prepare_run, run_recipe
from rondo_tokenizers.vocabulary import Tokenizer


def test_a_run_writes_a_bundle_that_can_be_trained_on(recipe_values: dict[str, Any], tmp_path: Path) -> None:
    recipe = recipe_from(recipe_values)
    first = run_recipe(recipe, RunOptions(tmp_path / "run", tmp_path / "bundle", None))
    bundle = load_bundle(first)
    assert Tokenizer(bundle.tokenizer).size == 290
    assert bundle.manifest.services == {"sentiment": {"languages": ["en"]}}
    assert bundle.manifest.data == ({"set": "reviews.jsonl", "licence": "the user's own", "heads": ["sentiment"]},)
    assert bundle.manifest.training["steps"] == 2
    assert (tmp_path / "run" / "losses.png").is_file()
    (cost,) = bundle.manifest.training["costs"]
    assert (cost["what"], cost["stretches"], cost["source"]) == ("tiny", 1, "measured")
    assert cost["processor_s"] > 0
    assert 0 < cost["wall_s"] < 600
    assert f"| tiny | {cost['machine']} |" in (first / "README.md").read_text(encoding="utf-8")

    options = RunOptions(tmp_path / "second-run", tmp_path / "second", None, init=bundle)
    second = load_bundle(run_recipe(recipe, options))
    assert second.tokenizer == bundle.tokenizer
    assert (second.manifest.training["steps"], second.manifest.training["stretches"]) == (4, 2)
    assert second.manifest.training["costs"][:1] == bundle.manifest.training["costs"]
    assert [cost["device"] for cost in second.manifest.training["costs"]] == ["cpu", "cpu"]
    assert second.fingerprint != bundle.fingerprint

    larger = replace(recipe, backbone={"hidden_size": 16})
    with pytest.raises(ConfigError, match=r"backbone\.hidden_size is 16, but 8 in the initial bundle"):
        run_recipe(larger, replace(options, run_folder=tmp_path / "third-run"))


def test_an_ngram_regression_alone_leaves_all_but_its_head(recipe_values: dict[str, Any], tmp_path: Path) -> None:
    bundle = load_bundle(
        run_recipe(recipe_from(recipe_values), RunOptions(tmp_path / "run", tmp_path / "bundle", None))
    )
    recipe_values["training"] = {"steps": 0}
    recipe_values["ngram_regression"] = {"sentiment": {"fewest_dev_texts": 1}}
    recipe_values["heads"]["sentiment"]["ngram_buckets"] = 64
    options = RunOptions(tmp_path / "second-run", tmp_path / "second", None, init=bundle)
    second = load_bundle(run_recipe(recipe_from(recipe_values), options))
    assert second.contents.files["backbone.safetensors"] == bundle.contents.files["backbone.safetensors"]
    assert second.fingerprint != bundle.fingerprint
    lines = [json.loads(line) for line in (tmp_path / "second-run" / "log.jsonl").read_text().splitlines()]
    assert [line["phase"] for line in lines] == ["start", "data", "ngram-regression-sentiment", "final"]
    assert lines[0]["heads"] == {"sentiment": "the bundle's"}
    assert lines[2]["scales"]["ngram_scale"] > 0

    recipe_values["ngram_regression"] = {"sentiment": {"fewest_dev_texts": 1000}}
    options = replace(options, run_folder=tmp_path / "third-run")
    run_recipe(recipe_from(recipe_values), options)
    told = json.loads((tmp_path / "third-run" / "log.jsonl").read_text().splitlines()[2])
    assert told["scales"] == "none: fewer than 1000 dev texts"


def test_ngrams_of_a_regression_alone_are_not_trained_before(recipe_values: dict[str, Any], tmp_path: Path) -> None:
    head = recipe_values["heads"]["sentiment"]
    head.pop("ngram_buckets")
    plain = load_bundle(run_recipe(recipe_from(recipe_values), RunOptions(tmp_path / "run", tmp_path / "plain", None)))
    head.update(ngram_buckets=64, ngram_unit="word")
    recipe_values["ngram_regression"] = {"sentiment": {"alone": True, "fewest_dev_texts": 1}}
    both = load_bundle(run_recipe(recipe_from(recipe_values), RunOptions(tmp_path / "run", tmp_path / "both", None)))
    assert both.contents.files["backbone.safetensors"] == plain.contents.files["backbone.safetensors"]
    weights, before = both.model.head("sentiment").state_dict(), plain.model.head("sentiment").state_dict()
    assert torch.equal(weights["hidden.weight"], before["hidden.weight"])
    assert weights["ngrams.weight"].abs().max() > 0
    assert torch.equal(weights["pieces"], piece_table(Tokenizer(both.tokenizer)))

    head.update(ngram_unit="piece", longest_ngram=1)
    options = RunOptions(tmp_path / "second-run", tmp_path / "second", None, init=both)
    again = load_bundle(run_recipe(recipe_from({**recipe_values, "training": {"steps": 0}}), options))
    start = json.loads((tmp_path / "second-run" / "log.jsonl").read_text(encoding="utf-8").splitlines()[0])
    assert start["heads"] == {"sentiment": "the bundle's, apart from its n-grams"}
    assert again.contents.files["backbone.safetensors"] == plain.contents.files["backbone.safetensors"]
    weights = again.model.head("sentiment").state_dict()
    assert torch.equal(weights["hidden.weight"], before["hidden.weight"])
    assert weights["ngrams.weight"].abs().max() > 0


def test_a_label_that_no_dev_text_has_is_told(
    recipe_values: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe_values["heads"]["sentiment"]["labels"] = ["bad", "good", "mixed"]
    recipe_values["ngram_regression"] = {"sentiment": {"fewest_dev_texts": 1}}
    run_recipe(recipe_from(recipe_values), RunOptions(tmp_path / "run", tmp_path / "bundle", None))
    assert "the head sentiment: no dev text has the label mixed, so the others say how often" in capsys.readouterr().err


def test_an_estimated_energy_says_so(
    recipe_values: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rondo_services.training.run.processor_meter", lambda: None)
    options = RunOptions(tmp_path / "run", tmp_path / "bundle", None, watts_per_core=50.0)
    (cost,) = load_bundle(run_recipe(recipe_from(recipe_values), options)).manifest.training["costs"]
    assert cost["energy_basis"] == "estimate: processor time at 50 W a core"
    assert cost["energy_wh"] == pytest.approx(cost["processor_s"] * 50 / 3600, abs=0.002)


def test_a_prepared_run_needs_no_data_sets(values: dict[str, Any], tmp_path: Path) -> None:
    folder = tmp_path / "data" / "tatoeba"
    folder.mkdir(parents=True)
    for split in SPLITS:
        rows = [f"{a} and {b} {split}\t{b} und {a} {split}\n" for a in WORDS for b in WORDS]
        (folder / f"eng-deu.{split}.tsv.xz").write_bytes(lzma.compress("".join(rows).encode()))
    recipe = recipe_from(
        {
            **values,
            "vocabulary_size": 290,
            "heads": {"translation": values["heads"]["translation"]},
            "data": [{"set": "tatoeba-en-de", "head": "translation"}],
        }
    )
    with_data = RunOptions(tmp_path / "run", tmp_path / "bundle", tmp_path / "data")
    prepare_run(recipe, with_data)
    assert {path.name for path in (tmp_path / "run").iterdir()} == {
        "tokenizer.model", "tokenizer.source.json", "prepared.npz.zst", "run.lock"
    }  # fmt: skip
    assert not (tmp_path / "bundle").exists()
    bundle = load_bundle(run_recipe(recipe, replace(with_data, root=None)))
    assert bundle.tokenizer == (tmp_path / "run" / "tokenizer.model").read_bytes()


def test_a_device_that_is_not_there_is_named(
    recipe_values: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ConfigError, match="device must be cpu or cuda, not 'gpu'"):
        RunOptions(tmp_path / "run", tmp_path / "bundle", None, device="gpu")
    with pytest.raises(ConfigError, match="watts per core must be above 0, not -3"):
        RunOptions(tmp_path / "run", tmp_path / "bundle", None, watts_per_core=-3.0)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    options = RunOptions(tmp_path / "run", tmp_path / "bundle", None, device="cuda")
    prepare_run(recipe_from(recipe_values), options)
    with pytest.raises(ConfigError, match="device is cuda, but torch finds no GPU here"):
        run_recipe(recipe_from(recipe_values), options)


def test_a_service_knows_its_languages_and_pairs(values: dict[str, Any]) -> None:
    values["data"] = [
        {"set": "nsmc", "head": "sentiment"},
        {"set": "sst2", "head": "sentiment"},
        {"set": "tatoeba-en-ko", "head": "translation", "direction": "both"},
        {"set": "tatoeba-en-de", "head": "translation", "direction": "backward"},
        {"set": "letters.csv", "head": "translation", "language": "de", "target_language": "ko"},
        {"set": "debian-synopsis-ko", "head": "summarization"},
        {"set": "letters.csv", "head": "generation", "language": "de"},
    ]
    recipe = recipe_from(values)
    assert service_of(recipe, "sentiment") == {"languages": ["en", "ko"]}
    assert service_of(recipe, "translation") == {
        "languages": ["en", "de", "ko"],
        "pairs": [["en", "ko"], ["de", "en"], ["de", "ko"], ["ko", "en"]],
    }
    assert service_of(recipe, "summarization") == {"languages": ["ko"], "longest_source": 24}
    assert service_of(recipe, "generation") == {"languages": ["de"]}


@pytest.fixture
def salience(two_heads: dict[str, Any], tmp_path: Path) -> dict[str, Any]:
    """Pairs for summaries, and sentences for what chooses among them."""
    path = tmp_path / "sentences.jsonl"
    rows = [{"text": f"The {word} comes.", "label": "summary" if "a" in word else "other"} for word in WORDS]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return {
        **two_heads,
        "heads": {
            "summarization": two_heads["heads"]["translation"],
            "salience": {"kind": "classifier", "labels": ["other", "summary"], "hidden_size": 4},
        },
        "data": [
            {**two_heads["data"][1], "head": "summarization"},
            {"set": str(path), "head": "salience", "train_only": True},
        ],
    }


def test_a_head_that_chooses_sentences_belongs_to_the_summaries(salience: dict[str, Any], tmp_path: Path) -> None:
    alone = {**salience, "heads": {"summarization": salience["heads"]["summarization"]}, "data": salience["data"][:1]}
    first = load_bundle(run_recipe(recipe_from(alone), RunOptions(tmp_path / "run", tmp_path / "bundle", None)))
    assert first.manifest.services == {"summarization": {"languages": ["en"], "longest_source": 24}}
    added = recipe_from({**salience, "data": salience["data"][1:]})
    second = load_bundle(run_recipe(added, RunOptions(tmp_path / "run-2", tmp_path / "bundle-2", None, init=first)))
    assert second.manifest.services == {
        "summarization": {
            "languages": ["en"],
            "longest_source": 24,
            "salience_head": "salience",
            "salience_languages": ["en"],
        }
    }
    kept = recipe_from({**alone, "data": [], "training": {**alone["training"], "steps": 0}})
    third = load_bundle(run_recipe(kept, RunOptions(tmp_path / "run-3", tmp_path / "bundle-3", None, init=second)))
    assert third.manifest.services == first.manifest.services


@pytest.mark.parametrize("labels", [["no", "yes"], ["Summary", "other"]])
def test_a_head_that_chooses_sentences_needs_its_label(
    salience: dict[str, Any], tmp_path: Path, labels: list[str]
) -> None:
    salience["heads"]["salience"]["labels"] = labels
    with pytest.raises(ConfigError, match="head salience chooses sentences: it must be a classifier with a label summ"):
        run_recipe(recipe_from(salience), RunOptions(tmp_path / "run", tmp_path / "bundle", None))


@pytest.fixture
def two_heads(recipe_values: dict[str, Any], values: dict[str, Any], tmp_path: Path) -> dict[str, Any]:
    """Reviews for one head, pairs for the other."""
    path = tmp_path / "pairs.tsv"
    rows = [f"{first} and {second}\t{second} und {first}" for first in WORDS for second in WORDS]
    path.write_text("\n".join(["source\ttarget", *rows]) + "\n", encoding="utf-8")
    pairs = {"set": str(path), "head": "translation", "target_language": "de", "train_only": True, "licence": "CC0"}
    return {
        **recipe_values,
        "languages": ["en", "de"],
        "heads": {**recipe_values["heads"], "translation": values["heads"]["translation"]},
        "data": [*recipe_values["data"], pairs],
    }


@pytest.mark.parametrize("in_integers", [False, True])
def test_one_head_is_trained_on_with_more_noise_while_all_else_stays(
    two_heads: dict[str, Any], tmp_path: Path, in_integers: bool
) -> None:
    folder = run_recipe(recipe_from(two_heads), RunOptions(tmp_path / "run", tmp_path / "bundle", None))
    if in_integers:
        quantize(folder, tmp_path / "small")
        folder = tmp_path / "small"
    first = load_bundle(folder)
    translation = {**two_heads["heads"]["translation"], "dropout": 0.5}
    values = {
        **two_heads,
        "heads": {**two_heads["heads"], "translation": translation},
        "data": two_heads["data"][1:],
        "training": {**two_heads["training"], "freeze_backbone": True},
    }
    options = RunOptions(tmp_path / "second-run", tmp_path / "second", None, init=first)
    second = load_bundle(run_recipe(recipe_from(values), options))

    changed = {name for name in first.contents.files if first.contents.files[name] != second.contents.files.get(name)}
    assert changed == {"README.md", "heads/translation.safetensors"}
    assert second.manifest.services == first.manifest.services
    assert sorted(second.manifest.data, key=str) == sorted(first.manifest.data, key=str)
    assert {"set": "pairs.tsv", "licence": "CC0", "heads": ["translation"]} in second.manifest.data
    start = json.loads((tmp_path / "second-run" / "log.jsonl").read_text(encoding="utf-8").splitlines()[0])
    assert start["bundle"] == first.fingerprint
    assert start["heads"] == {"sentiment": "the bundle's", "translation": "the bundle's"}


def test_a_head_of_another_shape_begins_anew_and_the_run_says_so(
    two_heads: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = load_bundle(run_recipe(recipe_from(two_heads), RunOptions(tmp_path / "run", tmp_path / "bundle", None)))
    values = {**two_heads, "heads": {**two_heads["heads"], "translation": {"kind": "seq2seq", "hidden_size": 9}}}
    run_recipe(recipe_from(values), RunOptions(tmp_path / "second-run", tmp_path / "second", None, init=first))
    start = json.loads((tmp_path / "second-run" / "log.jsonl").read_text(encoding="utf-8").splitlines()[0])
    assert start["heads"]["translation"] == "new: its shape is another than the bundle's"
    assert "the head translation is new: its shape is another than the bundle's" in capsys.readouterr().err
    assert start["heads"]["sentiment"] == "the bundle's"


def test_a_head_without_data_must_be_in_the_initial_bundle(two_heads: dict[str, Any], tmp_path: Path) -> None:
    values = {**two_heads, "data": two_heads["data"][:1]}
    options = RunOptions(tmp_path / "run", tmp_path / "bundle", None)
    with pytest.raises(ConfigError, match="no data for the head translation, and no initial bundle that has it"):
        run_recipe(recipe_from(values), options)
    first = load_bundle(run_recipe(recipe_from(two_heads), options))
    other = {**values, "heads": {**values["heads"], "translation": {"kind": "seq2seq", "hidden_size": 9}}}
    second = RunOptions(tmp_path / "second-run", tmp_path / "second", None, init=first)
    with pytest.raises(ConfigError, match="the initial bundle's has another shape"):
        run_recipe(recipe_from(other), second)
    other["heads"]["translation"] = {**two_heads["heads"]["translation"], "dropout": 0.5}
    with_other_noise = load_bundle(run_recipe(recipe_from(other), second))
    assert (
        with_other_noise.contents.files["heads/translation.safetensors"]
        == first.contents.files["heads/translation.safetensors"]
    )


@pytest.mark.parametrize("steps", [0, 2])
def test_a_translation_stays_calibrated_as_long_as_its_weights_stay(
    two_heads: dict[str, Any], tmp_path: Path, steps: int
) -> None:
    first = load_bundle(run_recipe(recipe_from(two_heads), RunOptions(tmp_path / "run", tmp_path / "bundle", None)))
    translation = {**first.manifest.services["translation"], "quality": {"en-de": {"intercept": 0.1, "slope": 0.5}}}
    services = {**first.manifest.services, "translation": translation}
    rewrite_manifest(tmp_path / "bundle", replace(first.manifest, services=services), "")
    values = {**two_heads, "data": two_heads["data"][:1], "training": {**two_heads["training"], "steps": steps}}
    options = RunOptions(tmp_path / "second-run", tmp_path / "second", None, load_bundle(tmp_path / "bundle"))
    second = load_bundle(run_recipe(recipe_from(values), options))
    assert ("quality" in second.manifest.services["translation"]) == (steps == 0)


@pytest.mark.parametrize(("trained", "stays"), [("sentiment", True), ("summarization", True), ("salience", False)])
def test_how_sentences_stand_is_known_as_long_as_the_head_that_chooses_them_stays(
    values: dict[str, Any], tmp_path: Path, trained: str, stays: bool
) -> None:
    pairs = tmp_path / "pairs.tsv"
    pairs.write_text(
        "source\ttarget\n" + "".join(f"the {word} is here\tthe {word}\n" for word in WORDS), encoding="utf-8"
    )
    labels = tmp_path / "labels.csv"
    labels.write_text(
        "text,label\n" + "".join(f"the {word},{label}\n" for word in WORDS for label in ("other", "summary")),
        encoding="utf-8",
    )
    classifier = {"kind": "classifier", "labels": ["other", "summary"], "hidden_size": 6}
    heads = {
        "sentiment": classifier,
        "salience": classifier,
        "summarization": {"kind": "seq2seq", "hidden_size": 6, "copy": True},
    }
    data = {
        "sentiment": {"set": str(labels), "head": "sentiment"},
        "salience": {"set": str(labels), "head": "salience"},
        "summarization": {"set": str(pairs), "head": "summarization"},
    }
    values = {**values, "heads": heads, "data": list(data.values())}
    first = load_bundle(run_recipe(recipe_from(values), RunOptions(tmp_path / "run", tmp_path / "bundle", None)))
    known = {**first.manifest.services["summarization"], "standing": {"head": 1.0, "traits": [0.0] * 20}}
    services = {**first.manifest.services, "summarization": known}
    rewrite_manifest(tmp_path / "bundle", replace(first.manifest, services=services), "")
    values["data"] = [data[trained]]
    values["training"] = {**values["training"], "freeze_backbone": True}
    options = RunOptions(tmp_path / "second-run", tmp_path / "second", None, load_bundle(tmp_path / "bundle"))
    second = load_bundle(run_recipe(recipe_from(values), options)).manifest.services["summarization"]
    assert ("standing" in second, second["salience_head"]) == (stays, "salience")
    assert second["salience_languages"] == ["en"]


def test_a_bundle_of_research_data_says_that_it_is_not_to_be_published(values: dict[str, Any], tmp_path: Path) -> None:
    """And so does one that is trained on from it with other data."""
    folder = tmp_path / "data" / "multi30k" / "task1"
    folder.mkdir(parents=True)
    for split in ("train", "val", "test_2016_flickr", "test_2017_flickr"):
        for language in ("en", "de"):
            lines = "".join(f"{split} {language} the {one} and the {other}\n" for one in WORDS for other in WORDS)
            (folder / f"{split}.{language}.gz").write_bytes(gzip.compress(lines.encode()))
    values.update(vocabulary_size=300, heads={"translation": values["heads"]["translation"]})
    values["data"] = [{"set": "multi30k-en-de", "head": "translation"}]
    options = RunOptions(tmp_path / "run", tmp_path / "bundle", tmp_path / "data")
    first = load_bundle(run_recipe(recipe_from(values), options))
    assert [(own["set"], own["ships"]) for own in first.manifest.data] == [("multi30k-en-de", "no")]
    told = "**Not to be published**: trained on multi30k-en-de, for research only."
    assert told in (tmp_path / "bundle" / "README.md").read_text(encoding="utf-8")

    rows = "".join(f"the {word}\tdie {word}\n" for word in WORDS)
    (tmp_path / "pairs.tsv").write_text(f"source\ttarget\n{rows}", encoding="utf-8")
    own = {"set": str(tmp_path / "pairs.tsv"), "head": "translation", "target_language": "de", "train_only": True}
    values["data"] = [own]
    options = RunOptions(tmp_path / "second-run", tmp_path / "second", None, init=first)
    second = load_bundle(run_recipe(recipe_from(values), options))
    assert [own["set"] for own in second.manifest.data] == ["multi30k-en-de", "pairs.tsv"]
    assert told in (tmp_path / "second" / "README.md").read_text(encoding="utf-8")


def test_a_tagger_is_trained_trained_on_and_served(values: dict[str, Any], tmp_path: Path) -> None:
    folder = tmp_path / "data" / "sentence_compression"
    folder.mkdir(parents=True)
    for number, split in enumerate(SPLITS):
        sentences = [f"the\t0\n{one}\tB-DEL\nand\t0\n{two}{number}\t0\n.\tB-DEL\n" for one in WORDS for two in WORDS]
        (folder / f"{split}.conll").write_text("\n".join(sentences), encoding="utf-8")
    values.update(vocabulary_size=300, languages=["en"])
    values["heads"] = {"compression": {"kind": "tagger", "labels": ["delete", "keep"], "recurrent_size": 4}}
    values["data"] = [{"set": "sentence-compression", "head": "compression", "consistency": 1.0}]
    options = RunOptions(tmp_path / "run", tmp_path / "bundle", tmp_path / "data")
    first = load_bundle(run_recipe(recipe_from(values), options))
    assert first.manifest.services == {"compression": {"languages": ["en"]}}
    assert [own["set"] for own in first.manifest.data] == ["sentence-compression"]

    values["heads"]["compression"].update(dropout=0.1, label_weights=[1.0, 2.0])
    options = RunOptions(tmp_path / "second-run", tmp_path / "second", tmp_path / "data", init=first)
    second = load_bundle(run_recipe(recipe_from(values), options))
    begun = json.loads((tmp_path / "second-run" / "log.jsonl").read_text(encoding="utf-8").splitlines()[0])
    assert begun["heads"] == {"compression": "the bundle's"}
    suite = suite_of(second, max_wait_s=0)
    try:
        assert suite.compression is not None
        plan = suite.compression.plan("the heron and the boat.")
        assert suite.compression.result(plan, suite.run_blocking(plan.works)).language == "en"
    finally:
        suite.close()


def test_licences_of_files_with_one_name_are_all_told(recipe_values: dict[str, Any], tmp_path: Path) -> None:
    values = {**recipe_values, "heads": {**recipe_values["heads"], "generation": {"kind": "language_model"}}}
    for folder, licence, head in (("a", "CC BY-NC 4.0", "sentiment"), ("b", "CC0", "generation")):
        (tmp_path / folder).mkdir()
        path = tmp_path / folder / "train.jsonl"
        path.write_text((tmp_path / "reviews.jsonl").read_text(encoding="utf-8"), encoding="utf-8")
        values["data"] = [*values["data"][-1:], {"set": str(path), "head": head, "licence": licence}]
    first, second = data_of(recipe_from({**values, "data": values["data"][-2:]}), None)
    assert (first["licence"], first["heads"]) == ("CC BY-NC 4.0", ["sentiment"])
    assert (second["licence"], second["heads"]) == ("CC0", ["generation"])


def test_a_run_may_have_its_bundle_in_its_own_folder(recipe_values: dict[str, Any], tmp_path: Path) -> None:
    options = RunOptions(tmp_path / "run", tmp_path / "run", None)
    prepare_run(recipe_from(recipe_values), options)
    load_bundle(run_recipe(recipe_from(recipe_values), options))
    assert (tmp_path / "run" / "log.jsonl").is_file()


def test_what_is_no_bundle_is_not_replaced(recipe_values: dict[str, Any], tmp_path: Path) -> None:
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "README.md").write_text("# Mine", encoding="utf-8")
    with pytest.raises(ConfigError, match="has something else than a bundle"):
        run_recipe(recipe_from(recipe_values), RunOptions(tmp_path / "run", folder, None))
    assert (folder / "README.md").read_text(encoding="utf-8") == "# Mine"
    assert not (tmp_path / "run").exists()
    with pytest.raises(ConfigError, match="has something else than a bundle"):
        run_recipe(recipe_from(recipe_values), RunOptions(folder, folder, None))
    assert [path.name for path in folder.iterdir()] == ["README.md"]


def test_what_is_not_trained_on_is_told(
    two_heads: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    entry = two_heads["data"][1]
    path = Path(entry["set"])
    rows = path.read_text(encoding="utf-8").splitlines(keepends=True)
    long = "\t".join(("word " * 40, "Wort " * 40)) + "\n"
    again = rows[1]
    path.write_text("".join([*rows, again, *(f"{number} {long}" for number in range(3))]), encoding="utf-8")
    values = {**two_heads, "data": [{**entry, "train_only": True}]}
    del values["heads"]["sentiment"]
    run_recipe(recipe_from(values), RunOptions(tmp_path / "run", tmp_path / "bundle", None))
    told = capsys.readouterr().err
    assert f"{path}: 1 rows are not trained on: dev or test has them, too, or they repeat another" in told
    assert f"{path}: 3 rows are not trained on: they have more than 24 tokens (longest)" in told
    (data,) = [own for own in RunLog(tmp_path / "run" / "log.jsonl").read() if own["phase"] == "data"]
    assert (data["left_out"], data["too_long"]) == ({"translation/pairs.tsv": 1}, {"translation/pairs.tsv": 3})

    path.write_text(rows[0] + long, encoding="utf-8")
    with pytest.raises(ConfigError, match=r"0 are in dev or test, too, .* and 1 have more than 24 tokens"):
        run_recipe(recipe_from(values), RunOptions(tmp_path / "other", tmp_path / "bundle", None))


def test_the_test_rows_are_kept_to_be_measured_on(recipe_values: dict[str, Any], tmp_path: Path) -> None:
    run_recipe(recipe_from(recipe_values), RunOptions(tmp_path / "run", tmp_path / "bundle", None))
    own = (tmp_path / "reviews.jsonl").read_text(encoding="utf-8").splitlines()
    kept = (tmp_path / "run" / "reviews-test.jsonl").read_text(encoding="utf-8").splitlines()
    assert 0 < len(kept) < len(own) / 5
    assert set(kept) <= set(own)


def test_test_rows_of_files_that_are_called_alike_do_not_mix(recipe_values: dict[str, Any], tmp_path: Path) -> None:
    entry = recipe_values["data"][0]
    values = {**recipe_values, "heads": {**recipe_values["heads"], "generation": {"kind": "language_model"}}}
    values["data"] = [entry, {**entry, "head": "generation"}]
    prepare_run(recipe_from(values), RunOptions(tmp_path / "run", tmp_path / "bundle", None))
    names = {path.name for path in (tmp_path / "run").glob("*-test.jsonl")}
    assert names == {"sentiment-reviews.jsonl-test.jsonl", "generation-reviews.jsonl-test.jsonl"}
