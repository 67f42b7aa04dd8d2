"""A bundle comes back as it was saved, and a broken one is refused by the name of the broken file."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from rondo_models.bundle import load_bundle, save_bundle
from rondo_models.manifest import (
    BundleError,
    Manifest,
    head_file,
    read_contents,
    read_manifest,
    rewrite_manifest,
    write_manifest,
)
from rondo_models.model import RondoModel

MANIFEST = Manifest("tiny", "1.0", ("en",), {"sentiment": {"languages": ["en"]}})


@pytest.fixture
def folder(tmp_path: Path, model: RondoModel) -> Path:
    save_bundle(tmp_path / "bundle", MANIFEST, model, b"vocabulary", "# card")
    return tmp_path / "bundle"


def test_weights_come_back_as_bfloat16_numbers(folder: Path, model: RondoModel) -> None:
    bundle = load_bundle(folder)
    assert bundle.tokenizer == b"vocabulary"
    assert bundle.manifest == MANIFEST
    loaded = bundle.model.state_dict()
    for name, value in model.state_dict().items():
        assert torch.equal(loaded[name], value.bfloat16().float()), name
    assert not bundle.model.training


def test_files_of_the_bundle_before_are_taken_over_unless_it_has_changed(folder: Path, tmp_path: Path) -> None:
    small, again = tmp_path / "small", tmp_path / "again"
    name = head_file("sentiment")
    save_bundle(small, MANIFEST, load_bundle(folder).model, b"vocabulary", "# card", in_integers=[name])
    before = load_bundle(small)
    save_bundle(again, MANIFEST, before.model, b"vocabulary", "# card", before=before.contents)
    assert (again / name).read_bytes() == (small / name).read_bytes()
    (small / name).unlink()
    save_bundle(again, MANIFEST, before.model, b"vocabulary", "# card", before=before.contents)
    weights, expected = load_bundle(again).model.state_dict(), before.model.state_dict()
    assert all(torch.equal(weights[key], value) for key, value in expected.items())


def test_a_copy_elsewhere_is_the_same_bundle(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "copy")
    assert read_contents(tmp_path / "copy") == read_contents(folder)


def test_each_kind_of_backbone_comes_back(any_model: RondoModel, tmp_path: Path) -> None:
    save_bundle(tmp_path, MANIFEST, any_model, b"vocabulary", "# card")
    loaded = load_bundle(tmp_path).model
    assert loaded.configs() == any_model.configs()
    ids, lengths = torch.tensor([[4, 5, 6, 3], [7, 3, 0, 0]]), torch.tensor([4, 2])
    with torch.inference_mode():
        expected = any_model.bfloat16().float().backbone.encode(ids, lengths)
        torch.testing.assert_close(loaded.backbone.encode(ids, lengths).outputs, expected.outputs)


def test_a_bundle_without_layer_normalisation_does_not_name_it(
    make_model: Callable[..., RondoModel], tmp_path: Path
) -> None:
    """So that it is the same, fingerprint and all, as one of before there was any."""
    for layer_norm in (False, True):
        save_bundle(tmp_path, MANIFEST, make_model(layer_norm=layer_norm), b"vocabulary", "# card")
        assert ("layer_norm" in read_contents(tmp_path).configs["backbone"]) == layer_norm
        assert load_bundle(tmp_path).model.backbone.config.layer_norm == layer_norm


def test_heads_that_the_backbone_cannot_serve_are_refused(folder: Path) -> None:
    contents = read_contents(folder)
    configs = json.loads(json.dumps(contents.configs))
    configs["heads"]["sentiment"]["reads"] = "forward"
    configs["backbone"].update(encoder="transformer", encoder_layers=1, encoder_heads=3, feedforward_size=8)
    write_manifest(folder, contents.manifest, configs, contents.files)
    with pytest.raises(BundleError, match=r"heads\.sentiment: reads = 'forward' needs a recurrent encoder"):
        load_bundle(folder)


def test_backbone_is_in_one_file_only(folder: Path) -> None:
    sizes = {path.name: path.stat().st_size for path in folder.rglob("*.safetensors")}
    assert set(sizes) == {
        "backbone.safetensors", "sentiment.safetensors", "generation.safetensors",
        "translation.safetensors", "summarization.safetensors",
    }  # fmt: skip
    content = (folder / head_file("translation")).read_bytes()
    assert b"embedding" not in content
    assert b"forward_stack" not in content


@pytest.mark.parametrize("name", ["tokenizer.model", "backbone.safetensors", "heads/translation.safetensors"])
@pytest.mark.parametrize("damage", ["missing", "truncated", "altered"])
def test_a_damaged_file_is_refused_by_name(folder: Path, name: str, damage: str) -> None:
    path = folder / name
    content = path.read_bytes()
    if damage == "missing":
        path.unlink()
    elif damage == "truncated":
        path.write_bytes(content[: len(content) // 2])
    else:
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    expected = damage if name.endswith(".safetensors") or damage == "missing" else "altered"
    with pytest.raises(BundleError, match=f"{name}.*{expected}"):
        load_bundle(folder)
    with pytest.raises(BundleError, match=name):
        read_contents(folder)


def test_altered_configs_are_noticed(folder: Path) -> None:
    path = folder / "manifest.json"
    content = json.loads(path.read_text())
    content["configs"]["backbone"]["hidden_size"] = 17
    path.write_text(json.dumps(content))
    with pytest.raises(BundleError, match=r"manifest\.json was altered"):
        load_bundle(folder)


def test_another_schema_version_is_refused(folder: Path) -> None:
    path = folder / "manifest.json"
    path.write_text(path.read_text().replace('"schema_version": 1', '"schema_version": 99'))
    with pytest.raises(BundleError, match="schema version 99"):
        load_bundle(folder)


NEWER = ("description", "failures", "probes")
"""Entries that manifests of the same schema version did not always have."""


def test_a_manifest_of_before_is_read_and_written_on(folder: Path) -> None:
    path = folder / "manifest.json"
    content = json.loads(path.read_text())
    path.write_text(json.dumps({name: value for name, value in content.items() if name not in NEWER}))
    before = load_bundle(folder)
    assert before.manifest == MANIFEST
    told = replace(MANIFEST, description={"licence": "CC0"}, failures=({"row": 3},), probes=({"data": "sentences"},))
    rewrite_manifest(folder, told, "# another card")
    after = load_bundle(folder)
    assert after.manifest == told
    assert after.fingerprint == before.fingerprint


def test_entries_that_are_unknown_are_passed_over(folder: Path) -> None:
    path = folder / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "horoscope": {"sign": "lion"}}))
    assert load_bundle(folder).manifest == MANIFEST


@pytest.mark.parametrize("content", ["", "[]", "{"])
def test_a_manifest_that_is_none_is_refused(folder: Path, content: str) -> None:
    (folder / "manifest.json").write_text(content)
    with pytest.raises(BundleError, match=r"manifest\.json"):
        read_manifest(folder)


def test_no_bundle_at_all(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="is no bundle"):
        load_bundle(tmp_path)


def test_weights_of_another_shape_are_refused(folder: Path, model: RondoModel, tmp_path: Path) -> None:
    """A head file from another bundle with a manifest that was made to fit its hash."""
    other = tmp_path / "other"
    wider = {name: model.head(name).config for name in ("sentiment",)}
    save_bundle(other, MANIFEST, RondoModel(model.backbone.config, wider), b"vocabulary", "")
    torch.nn.init.zeros_(model.seq2seq("translation").combine.weight)
    shutil.copy(folder / head_file("translation"), other / head_file("sentiment"))
    content = json.loads((other / "manifest.json").read_text())
    theirs = json.loads((folder / "manifest.json").read_text())
    content["files"][head_file("sentiment")] = theirs["files"][head_file("translation")]
    from rondo_models.manifest import _fingerprint

    content["fingerprint"] = _fingerprint(content["files"], content["configs"])
    (other / "manifest.json").write_text(json.dumps(content))
    with pytest.raises(BundleError, match=r"sentiment\.safetensors does not fit"):
        load_bundle(other)


def test_scores_and_card_can_change_without_a_new_fingerprint(folder: Path) -> None:
    before = load_bundle(folder).fingerprint
    rewrite_manifest(folder, Manifest("tiny", "1.1", ("en",), MANIFEST.services, scores=({"bleu": 1},)), "# new")
    after = load_bundle(folder)
    assert after.fingerprint == before
    assert after.manifest.scores == ({"bleu": 1},)
    assert (folder / "README.md").read_text() == "# new"
