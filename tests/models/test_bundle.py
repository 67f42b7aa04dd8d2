"""A bundle comes back as it was saved, and a broken one is refused by the name of the broken file."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from rondo_models.bundle import integer_files, load_bundle, save_bundle
from rondo_models.heads.classifier import ClassifierConfig
from rondo_models.manifest import (
    BundleError,
    Manifest,
    head_file,
    read_contents,
    read_manifest,
    require_replaceable,
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
    elif damage == "altered":
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    else:
        raise AssertionError(damage)
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


@pytest.mark.parametrize("content", ["", "[]", "{", "[" * 200_000, '{"schema_version": ' + "9" * 5000 + "}"])
def test_a_manifest_that_is_none_is_refused(folder: Path, content: str) -> None:
    (folder / "manifest.json").write_text(content)
    with pytest.raises(BundleError, match=r"manifest\.json"):
        read_manifest(folder)


DEEP = "[" * 200_000


@pytest.mark.parametrize("header", ["[]", "5", '{"a": 1}', '{"a": {}}', '{"a": {"data_offsets": [0, "x"]}}', DEEP])
def test_an_altered_header_of_weights_is_told(folder: Path, header: str) -> None:
    (folder / "backbone.safetensors").write_bytes(len(header).to_bytes(8, "little") + header.encode())
    with pytest.raises(BundleError, match=r"backbone\.safetensors was altered"):
        load_bundle(folder)


def _changed(folder: Path, keys: str, value: Any) -> None:
    """A manifest with another value at `keys`, as `configs.heads`, that fits its fingerprint."""
    from rondo_models.manifest import _fingerprint

    content = json.loads((folder / "manifest.json").read_text())
    *outer, last = keys.split(".")
    inner = content
    for key in outer:
        inner = inner[key]
    inner[last] = value
    if isinstance(content["files"], dict):
        content["fingerprint"] = _fingerprint(content["files"], content["configs"])
    (folder / "manifest.json").write_text(json.dumps(content))


@pytest.mark.parametrize(
    ("keys", "value"),
    [
        *((key, None) for key in ("name", "languages", "services", "configs", "files", "data", "scores", "training")),
        *((key, None) for key in ("description", "failures", "probes", "services.sentiment", "configs.heads")),
        *((key, []) for key in ("version", "services", "configs", "files", "training", "configs.backbone")),
        *((key, "x") for key in ("languages", "data", "scores", "failures", "probes", "description")),
        ("languages", [1]),
        ("scores", [1]),
        ("files", {"tokenizer.model": None}),
        ("configs.heads.sentiment", None),
        ("configs.heads.sentiment.kind", []),
        ("configs.heads.sentiment.labels", "ab"),
        ("configs.heads.sentiment.labels", [1, 2]),
        ("configs.heads.sentiment.labels", [["a"], ["b"]]),
        *(("configs.heads.sentiment.hidden_size", value) for value in (0, -3, "a", 1.5, float("nan"), 10**13)),
        *(("configs.heads.sentiment.ngram_buckets", value) for value in (-3, "a", 1.5, 10**13)),
        *(("configs.backbone.vocabulary_size", value) for value in (1.5, True, "20", None, 21, 10**30)),
        *(("configs.backbone.hidden_size", value) for value in (16.0, -3, "a", 17, 10**13)),
        *(("configs.backbone.num_layers", value) for value in (1.0, 2, 10**13)),
        ("configs.backbone.embedding_size", 10**13),
    ],
)
def test_a_manifest_of_which_nothing_can_be_made_is_refused(folder: Path, keys: str, value: Any) -> None:
    """Some of these ended in a traceback, or built layers until there was no memory left."""
    _changed(folder, keys, value)
    with pytest.raises(BundleError) as refused:
        load_bundle(folder)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("name", ["training", "keys", "a.b", ""])
def test_a_head_of_a_name_that_none_can_have_is_refused(folder: Path, name: str) -> None:
    contents = read_contents(folder)
    configs, file = json.loads(json.dumps(contents.configs)), head_file("sentiment")
    configs["heads"][name] = configs["heads"].pop("sentiment")
    shutil.copy(folder / file, folder / head_file(name))
    write_manifest(folder, contents.manifest, configs, {**contents.files, head_file(name): contents.files[file]})
    with pytest.raises(BundleError, match=r"manifest\.json"):
        load_bundle(folder)


@pytest.mark.parametrize("name", ["../../secret", "/etc/hostname", "heads/../../secret", ".hidden", "a\0b", "x" * 5000])
def test_files_elsewhere_are_not_read(folder: Path, name: str) -> None:
    contents = read_contents(folder)
    write_manifest(folder, contents.manifest, contents.configs, {**contents.files, name: "0"})
    for read in (read_contents, read_manifest, load_bundle):
        with pytest.raises(BundleError, match="a bundle has no file of the name"):
            read(folder)


def test_numbers_that_are_not_finite_are_refused(folder: Path, model: RondoModel) -> None:
    before = _files(folder)
    torch.nn.init.constant_(model.seq2seq("translation").combine.weight, torch.nan)
    with pytest.raises(BundleError, match=r"heads/translation\.safetensors can't be written: combine\.weight"):
        save_bundle(folder, MANIFEST, model, b"vocabulary", "# card")
    with pytest.raises(BundleError, match=r"manifest\.json can't be written"):
        rewrite_manifest(folder, replace(MANIFEST, scores=({"bleu": float("nan")},)), "# card")
    assert _files(folder) == before


def _files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("in_integers", [[], [head_file("salience")]])
def test_what_a_head_knows_of_the_vocabulary_is_not_rounded(
    model: RondoModel, tmp_path: Path, in_integers: list[str]
) -> None:
    head = ClassifierConfig(labels=("no", "yes"), ngram_buckets=8, ngram_unit="word")
    counting = RondoModel(model.backbone.config, {"salience": head})
    table = torch.arange(200.0).view(20, 10) + 50
    counting.classifier("salience").know_pieces(table)
    save_bundle(tmp_path, MANIFEST, counting, b"vocabulary", "# card", in_integers=in_integers)
    loaded = load_bundle(tmp_path)
    assert integer_files(loaded.contents) == set(in_integers)
    pieces = loaded.model.classifier("salience").pieces
    assert pieces is not None
    assert torch.equal(pieces, table)


def _fill_disk(monkeypatch: pytest.MonkeyPatch, after: int) -> None:
    """Let there be room for so many more files."""
    left = iter([True] * after)

    def write(_: int) -> None:
        if not next(left, False):
            raise OSError("No space left on device")

    monkeypatch.setattr("os.fsync", write)


class TestReplacing:
    """What is in a bundle's place already."""

    def test_a_bundle_is_replaced_and_what_else_is_there_stays(self, folder: Path, model: RondoModel) -> None:
        (folder / "notes.txt").write_text("mine")
        require_replaceable(folder)
        save_bundle(folder, replace(MANIFEST, version="2.0"), model, b"another vocabulary", "# card")
        assert load_bundle(folder).manifest.version == "2.0"
        assert (folder / "notes.txt").read_text() == "mine"

    @pytest.mark.parametrize("failing", range(7))
    def test_what_fails_on_the_way_changes_nothing(
        self, folder: Path, model: RondoModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: int
    ) -> None:
        before = _files(folder)
        for place in (folder, tmp_path / "new" / "bundle"):
            _fill_disk(monkeypatch, failing)
            with pytest.raises(OSError, match="No space left"):
                save_bundle(place, replace(MANIFEST, version="2.0"), model, b"another vocabulary", "# new")
        assert _files(folder) == before
        assert not (tmp_path / "new").exists()

    def test_a_folder_in_the_place_of_a_file_is_told_before_anything_changes(
        self, folder: Path, model: RondoModel
    ) -> None:
        (folder / "README.md").unlink()
        (folder / "README.md").mkdir()
        before = _files(folder)
        with pytest.raises(IsADirectoryError, match=r"README\.md is a folder"):
            save_bundle(folder, replace(MANIFEST, version="2.0"), model, b"another vocabulary", "# new")
        assert _files(folder) == before

    def test_a_rename_that_fails_leaves_nothing_unfinished(
        self, folder: Path, model: RondoModel, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(*_: object) -> None:
            raise PermissionError("no")

        monkeypatch.setattr(Path, "replace", refuse)
        before = _files(folder)
        with pytest.raises(PermissionError):
            save_bundle(folder, replace(MANIFEST, version="2.0"), model, b"another vocabulary", "# new")
        assert _files(folder) == before

    @pytest.mark.parametrize("failing", range(2))
    def test_what_a_bundle_says_of_itself_is_replaced_together(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch, failing: int
    ) -> None:
        before = _files(folder)
        _fill_disk(monkeypatch, failing)
        with pytest.raises(OSError, match="No space left"):
            rewrite_manifest(folder, replace(MANIFEST, scores=({"bleu": 1},)), "# new")
        assert _files(folder) == before
        load_bundle(folder)

    @pytest.mark.parametrize(
        "names",
        [
            ["README.md"],
            ["README.md", "manifest.json"],
            ["heads/portrait.psd"],
            ["tokenizer.model", "config.json", "README.md"],
            ["heads", "notes.txt"],
        ],
    )
    def test_what_is_no_bundle_is_not(self, tmp_path: Path, names: list[str]) -> None:
        for name in names:
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_text("{}")
        with pytest.raises(BundleError, match="has something else than a bundle; name a new or an empty folder"):
            require_replaceable(tmp_path)
        with pytest.raises(BundleError, match="has something else than a bundle"):
            require_replaceable(tmp_path / names[0])

    @pytest.mark.parametrize(
        "names",
        [
            [],
            ["tokenizer.model"],
            ["tokenizer.model", "README.md", "manifest.json", "backbone.safetensors", "heads"],
            ["heads", ".manifest.json.part", ".tokenizer.model.part"],
        ],
    )
    def test_what_an_interrupted_command_left_is(self, tmp_path: Path, names: list[str]) -> None:
        require_replaceable(tmp_path / "nothing")
        for name in names:
            (tmp_path / name).write_text("{")
        require_replaceable(tmp_path)


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
