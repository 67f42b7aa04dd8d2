import math
from pathlib import Path
from typing import Any

import pytest

from rondo_models.bundle import Bundle, load_bundle
from rondo_models.config import ConfigError
from rondo_models.heads.classifier import ClassifierConfig
from rondo_services.datasets.catalog import DATA_SETS
from rondo_services.training.beginning import check_heads, merged_backbone
from rondo_services.training.recipe import DataEntry, read_recipe, recipe_from

CONFIGS = Path(__file__).parents[3] / "configs"
RECIPES = sorted(path for path in CONFIGS.rglob("*.toml") if path.parent.name != "cards")


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: str(path.relative_to(CONFIGS)))
def test_the_recipes_of_the_repository_are_valid(path: Path) -> None:
    recipe = read_recipe(path)
    assert {entry.head for entry in recipe.data} <= set(recipe.heads)
    for entry in recipe.data:
        if entry.set not in DATA_SETS:
            assert entry.set.startswith("runs/")
            assert entry.train_only
            assert entry.licence != DataEntry.__dataclass_fields__["licence"].default


@pytest.fixture(scope="module")
def shipped() -> Bundle:
    return load_bundle(CONFIGS.parent / "bundles" / "rondo-base")


FROM_DEFAULT = [path for path in RECIPES if "--init bundles/rondo-base" in path.read_text(encoding="utf-8")]


@pytest.mark.parametrize("path", FROM_DEFAULT, ids=lambda path: str(path.relative_to(CONFIGS)))
def test_a_recipe_that_begins_with_the_default_bundle_fits_it(path: Path, shipped: Bundle) -> None:
    recipe = read_recipe(path)
    merged_backbone(recipe, shipped)
    check_heads(recipe, shipped)
    if recipe.name == shipped.manifest.name:  # it goes on with the whole bundle
        for name, config in recipe.heads.items():
            assert config.has_weights_of(shipped.model.head(name).config), name


def test_the_default_recipe_may_be_shipped() -> None:
    recipe = read_recipe(CONFIGS / "rondo-base.toml")
    assert recipe.name == "rondo-base"
    assert {entry.head for entry in recipe.data} == set(recipe.heads)
    assert set(recipe.heads) == {"sentiment", "running_sentiment", "generation", "translation", "summarization"}
    assert all(DATA_SETS[entry.set].ships != "no" for entry in recipe.data)


def test_the_step_for_translation_changes_that_head_alone() -> None:
    base, step = read_recipe(CONFIGS / "rondo-base.toml"), read_recipe(CONFIGS / "rondo-base-translation.toml")
    assert (step.name, step.languages, step.backbone) == (base.name, base.languages, base.backbone)
    assert {entry.head for entry in step.data} == {"translation"}
    assert step.training.freeze_backbone
    assert not step.fine_tune
    assert all(DATA_SETS[entry.set].ships != "no" for entry in step.data if entry.set in DATA_SETS)


def test_the_stretch_on_a_gpu_is_of_the_same_model() -> None:
    base, stretch = read_recipe(CONFIGS / "rondo-base.toml"), read_recipe(CONFIGS / "rondo-base-gpu.toml")
    assert (stretch.name, stretch.languages, stretch.heads.keys()) == (base.name, base.languages, base.heads.keys())
    assert {**stretch.backbone, "dropout": None} == {**base.backbone, "dropout": None}
    assert {entry.head for entry in stretch.data} == set(stretch.heads)
    assert stretch.training.loaders > 0
    assert all(DATA_SETS[entry.set].ships != "no" for entry in stretch.data if entry.set in DATA_SETS)


def test_defaults_fill_what_is_left_out(values: dict[str, Any]) -> None:
    del values["vocabulary_size"]
    recipe = recipe_from(values)
    assert recipe.languages == ("en", "de", "ko")
    assert recipe.vocabulary_size == 8192
    assert recipe.longest == 24
    assert recipe.fine_tune == {}
    sentiment = recipe.heads["sentiment"]
    assert isinstance(sentiment, ClassifierConfig)
    assert sentiment.labels == ("bad", "good")


@pytest.mark.parametrize(
    ("languages", "message"),
    [
        (["en", "es"], "recipe: unknown language 'es'; possible are en, de, ko, fr"),
        ([], "recipe: languages are missing; possible are en, de, ko, fr"),
        (["fr", "fr"], "recipe: a language is listed twice: fr, fr"),
    ],
)
def test_languages_that_no_vocabulary_has_are_refused(
    values: dict[str, Any], languages: list[str], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        recipe_from({**values, "languages": languages})


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (
            {"set": "tatoeba-en-fr", "head": "translation"},
            "data tatoeba-en-fr is in fr; the recipe's languages are en, de",
        ),
        ({"set": "nsmc", "head": "sentiment"}, "data nsmc is in ko; the recipe's languages are en, de"),
        (
            {"set": "pairs.tsv", "head": "translation", "language": "ko", "target_language": "fr"},
            "data pairs.tsv is in ko, fr; the recipe's languages are en, de",
        ),
    ],
)
def test_data_in_other_languages_than_the_recipes_are_refused(
    values: dict[str, Any], entry: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        recipe_from({**values, "languages": ["en", "de"], "data": [entry]})


def test_an_unknown_key_lists_the_valid_ones(values: dict[str, Any]) -> None:
    values["vocab_size"] = 100
    with pytest.raises(ConfigError, match="recipe: unknown key vocab_size; known are name, languages, vocabulary_size"):
        recipe_from(values)


@pytest.mark.parametrize(
    ("table", "key", "where"),
    [
        ("training", "epochs", r"training: unknown key epochs; known are steps, learning_rate"),
        ("sentiment", "size", r"heads\.sentiment: unknown key size; known are labels, "),
        ("sentiment", "noise", r"heads\.sentiment: unknown key noise; known are labels, "),
        ("data", "split", r"data\[0\]: unknown key split; known are set, head, weight"),
    ],
)
def test_an_unknown_key_of_a_table_lists_its_valid_ones(
    values: dict[str, Any], table: str, key: str, where: str
) -> None:
    values["data"] = [{"set": "nsmc", "head": "sentiment"}]
    tables = {"training": values["training"], "sentiment": values["heads"]["sentiment"], "data": values["data"][0]}
    tables[table][key] = 1
    with pytest.raises(ConfigError, match=where):
        recipe_from(values)


@pytest.mark.parametrize("key", ["name", "heads", "data", "training"])
def test_a_missing_key_is_named(values: dict[str, Any], key: str) -> None:
    del values[key]
    with pytest.raises(ConfigError, match=f"recipe: missing key {key}$"):
        recipe_from(values)


def test_an_unknown_kind_of_head_lists_the_valid_ones(values: dict[str, Any]) -> None:
    values["heads"]["sentiment"]["kind"] = "transformer"
    with pytest.raises(ConfigError, match=r"heads\.sentiment: kind is 'transformer'; choose one of classifier, "):
        recipe_from(values)


def test_data_for_a_head_that_is_not_there(values: dict[str, Any]) -> None:
    values["data"] = [{"set": "nsmc", "head": "sentimental"}]
    with pytest.raises(ConfigError, match="data nsmc: there is no head 'sentimental'; heads are sentiment, generation"):
        recipe_from(values)


def test_fine_tuning_freezes_the_backbone(values: dict[str, Any]) -> None:
    values["fine_tune"] = {"sentiment": {"steps": 3}}
    values["data"] = [{"set": "nsmc", "head": "sentiment"}]
    phase = recipe_from(values).fine_tune["sentiment"]
    assert (phase.steps, phase.freeze_backbone) == (3, True)


def test_an_ngram_regression_is_for_a_classifier_with_ngrams(values: dict[str, Any]) -> None:
    values["ngram_regression"] = {"sentiment": {"strength": 2.0}}
    assert recipe_from(values).ngram_regression["sentiment"].strength == 2.0
    values["ngram_regression"] = {"generation": {}}
    with pytest.raises(ConfigError, match="the head generation is no classifier with n-grams"):
        recipe_from(values)
    values["ngram_regression"] = {"parsing": {}}
    with pytest.raises(ConfigError, match="ngram_regression: there is no head parsing; heads are sentiment"):
        recipe_from(values)


def test_fine_tuning_of_a_head_that_is_not_there(values: dict[str, Any]) -> None:
    values["fine_tune"] = {"parsing": {"steps": 3}}
    with pytest.raises(ConfigError, match="fine_tune: there is no head parsing; heads are sentiment"):
        recipe_from(values)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"direction": "sideways"}, "direction must be forward, backward or both, not 'sideways'"),
        ({"weight": -1.0}, r"weight must be a number from 0, not -1\.0"),
        ({"weight": math.nan}, "weight must be a number from 0, not nan"),
        ({"most": -3}, "most must not be negative, not -3"),
        ({"budget": -3}, "budget must not be negative, not -3"),
        ({"word_dropout": 1.0}, r"word_dropout must be in \[0, 1\), not 1\.0"),
        ({"dropout": -0.1}, r"dropout must be in \[0, 1\), not -0\.1"),
        ({"subword_smoothing": -1.0}, r"subword_smoothing must be a number from 0, not -1\.0"),
        ({"consistency": -1.0}, r"consistency must not be negative, not -1\.0"),
        ({"distillation": 1.5}, r"distillation must be in \[0, 1\], not 1\.5"),
        ({"distillation": 0.5, "temperature": 0.0}, r"temperature must be above 0, not 0\.0"),
        ({"temperature": 2.0}, "temperature is for distillation, whose weight is 0"),
        ({"fold": 0}, "fold must be at least 1, not 0"),
    ],
)
def test_impossible_data_entries(values: dict[str, Any], entry: dict[str, Any], message: str) -> None:
    values["data"] = [{"set": "nsmc", "head": "sentiment"}, {"set": "nsmc", "head": "sentiment", **entry}]
    with pytest.raises(ConfigError, match=rf"data\[1\]: {message}"):
        recipe_from(values)


@pytest.mark.parametrize(
    ("head", "entry", "message"),
    [
        ("generation", {"word_dropout": 0.0}, "word_dropout is not for a language model"),
        ("generation", {"dropout": 0.1}, "dropout is not for a language model"),
        ("generation", {"subword_smoothing": 0.1}, "subword_smoothing is not for a language model"),
        ("generation", {"consistency": 1.0}, "consistency is not for a language model"),
        ("summarization", {"consistency": 1.0}, "consistency is not for a head that copies"),
        ("summarization", {"distillation": 0.5}, "distillation is not for a head that copies"),
    ],
)
def test_a_head_refuses_what_it_does_not_use(
    values: dict[str, Any], head: str, entry: dict[str, Any], message: str
) -> None:
    values["data"] = [{"set": "nsmc", "head": head, **entry}]
    with pytest.raises(ConfigError, match=f"data nsmc: {message}"):
        recipe_from(values)


@pytest.mark.parametrize(
    ("name", "value"), [("longest", 0), ("budget", 0), ("vocabulary_size", -1), ("window", 1.5), ("dev_examples", True)]
)
def test_sizes_are_whole_numbers(values: dict[str, Any], name: str, value: object) -> None:
    with pytest.raises(ConfigError, match=f"recipe: {name} must be a whole number of at least"):
        recipe_from({**values, name: value})


@pytest.mark.parametrize("share", [5.0, -0.5, True, "half"])
def test_a_share_is_from_none_to_all(values: dict[str, Any], share: object) -> None:
    with pytest.raises(ConfigError, match=r"recipe: backward_share must be a number in \[0, 1\], not"):
        recipe_from({**values, "backward_share": share})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": 3}, "name must be a text, not 3"),
        ({"languages": "en"}, "languages must be a list of codes, not 'en'"),
        (
            {"data": {"set": "nsmc", "head": "sentiment"}},
            r"data must be tables in a list; begin each with \[\[data\]\]",
        ),
        ({"training": 3}, r"training must be a table, \[training\], not 3"),
        ({"fine_tune": {"sentiment": 3}}, r"fine_tune\.sentiment must be a table, \[fine_tune\.sentiment\], not 3"),
        ({"heads": {"sentiment": 3}}, r"heads\.sentiment must be a table, \[heads\.sentiment\], not 3"),
    ],
)
def test_what_has_another_shape_says_which_is_right(
    values: dict[str, Any], changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=f"recipe: {message}"):
        recipe_from({**values, **changes})


def test_a_phase_without_anything_to_draw_is_refused(values: dict[str, Any]) -> None:
    values["data"] = [{"set": "nsmc", "head": "sentiment", "weight": 0}]
    with pytest.raises(ConfigError, match="training: all data have weight 0; one at least must be above 0"):
        recipe_from(values)
    values["training"]["steps"] = 0
    recipe_from(values)
    with pytest.raises(ConfigError, match=r"fine_tune\.sentiment: no data of that head have a weight above 0"):
        recipe_from({**values, "fine_tune": {"sentiment": {"steps": 3}}})


def test_pairs_may_be_read_twice(values: dict[str, Any]) -> None:
    values["data"] = [{"set": "tatoeba-en-de", "head": "translation", "consistency": 3.0}]
    assert recipe_from(values).data[0].consistency == 3.0


def test_a_data_entry_without_a_set(values: dict[str, Any]) -> None:
    values["data"] = [{"head": "sentiment"}]
    with pytest.raises(ConfigError, match=r"data\[0\]: .* 'set'"):
        recipe_from(values)


def test_a_weight_of_zero_is_allowed() -> None:
    assert DataEntry("nsmc", "sentiment", weight=0).weight == 0


def test_a_file_that_is_no_toml_is_named(tmp_path: Path) -> None:
    path = tmp_path / "broken.toml"
    path.write_text("name = \n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"broken\.toml: Invalid value"):
        read_recipe(path)


def test_a_file_is_read_as_its_values(tmp_path: Path) -> None:
    path = tmp_path / "tiny.toml"
    path.write_text(
        'name = "tiny"\nlanguages = ["ko"]\n'
        '[heads.generation]\nkind = "language_model"\n'
        '[[data]]\nset = "nsmc-pool"\nhead = "generation"\nmost = 10\n'
        "[training]\nsteps = 5\n",
        encoding="utf-8",
    )
    recipe = read_recipe(path)
    assert recipe.languages == ("ko",)
    assert recipe.data == (DataEntry("nsmc-pool", "generation", most=10),)
    assert recipe.training.steps == 5
