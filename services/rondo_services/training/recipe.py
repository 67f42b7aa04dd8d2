"""A training recipe: what to train on what, as written in a TOML file. Unknown keys are errors."""

import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from rondo_models.config import ConfigError, config_from
from rondo_models.heads.classifier import ClassifierConfig
from rondo_models.heads.language_model import LanguageModelConfig
from rondo_models.heads.seq2seq import Seq2SeqConfig
from rondo_models.model import HeadConfig, head_config
from rondo_models.training.ngram_regression import NgramRegressionConfig
from rondo_models.training.trainer import TrainingConfig
from rondo_tokenizers.vocabulary import check_languages

from ..datasets.catalog import DATA_SETS


@dataclass(frozen=True, slots=True)
class DataEntry:
    """One data set's part in the training.

    Attributes:
        set: name in the catalog, or a path to a .csv, .tsv or .jsonl file with two columns (one for text).
        head: the head that it trains.
        weight: how often it is drawn, relative to the others; None: the square root of its size.
        direction: of pairs: "forward", "backward" or "both".
        most: use at most so many examples, drawn at random; 0 all.
        budget: most padded tokens in a batch; 0: the recipe's.
        word_dropout: share of its input tokens that are blanked, instead of the phase's.
        dropout: of the encoder's outputs, beside the heads' own; for a small set.
        subword_smoothing: read its sources in newly drawn pieces each time (subword regularisation), with this
            exponent of their likelihoods; None: always the likeliest pieces.
        consistency: weight of R-Drop for labels and pairs: two passes with noise of their own shall say the same. A
            batch then needs twice the memory.
        distillation: weight of what teachers think of its training texts beside what its own labels or targets say
            (`rondo train --teacher`); not for a head that copies.
        temperature: that softens the teachers' and the model's probabilities for that.
        taught_by: which of the teachers it learns from, by their numbers on the command line, from 1; none: all.
        fold: which part of a set with folds (docs/data.md) is kept out for dev and test.
        language: of a user's file.
        target_language: of a user's file of translations.
        train_only: use all of a user's file for training, as is right for synthetic pairs; otherwise a tenth of it is
            kept out for dev and test.
        licence: of a user's file, as the bundle will state it.
    """

    set: str
    head: str
    weight: float | None = None
    direction: str = "forward"
    most: int = 0
    budget: int = 0
    word_dropout: float | None = None
    dropout: float = 0.0
    subword_smoothing: float | None = None
    consistency: float = 0.0
    distillation: float = 0.0
    temperature: float = 1.0
    taught_by: tuple[int, ...] = ()
    fold: int = 1
    language: str = "en"
    target_language: str = "en"
    train_only: bool = False
    licence: str = "the user's own"

    def __post_init__(self) -> None:
        if self.direction not in ("forward", "backward", "both"):
            raise ValueError(f"direction must be forward, backward or both, not {self.direction!r}")
        if self.weight is not None and not 0 <= self.weight < math.inf:
            raise ValueError(f"weight must be a number from 0, not {self.weight}")
        for name in ("most", "budget"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must not be negative, not {getattr(self, name)}")
        for name in ("word_dropout", "dropout"):
            value = getattr(self, name)
            if value is not None and not 0 <= value < 1:
                raise ValueError(f"{name} must be in [0, 1), not {value}")
        if self.subword_smoothing is not None and not 0 <= self.subword_smoothing < math.inf:
            raise ValueError(f"subword_smoothing must be a number from 0, not {self.subword_smoothing}")
        if self.consistency < 0:
            raise ValueError(f"consistency must not be negative, not {self.consistency}")
        if not 0 <= self.distillation <= 1:
            raise ValueError(f"distillation must be in [0, 1], not {self.distillation}")
        if not 0 < self.temperature < math.inf:
            raise ValueError(f"temperature must be above 0, not {self.temperature}")
        if self.temperature != 1 and not self.distillation:
            raise ValueError("temperature is for distillation, whose weight is 0")
        if self.taught_by and not self.distillation:
            raise ValueError("taught_by is for distillation, whose weight is 0")
        _check_numbers("taught_by", self.taught_by)
        if self.fold < 1:
            raise ValueError(f"fold must be at least 1, not {self.fold}")

    @property
    def task(self) -> str:
        """The name of what it trains."""
        return f"{self.head}/{Path(self.set).name}"

    @property
    def languages(self) -> tuple[str, ...]:
        """Of its texts; of pairs for translation, the source's and the target's."""
        if self.set in DATA_SETS:
            return DATA_SETS[self.set].languages
        return (self.language, self.target_language) if self.head == "translation" else (self.language,)


def _check_numbers(name: str, numbers: Any) -> None:
    listed = isinstance(numbers, tuple) and all(type(number) is int and number >= 1 for number in numbers)
    if not listed or len(set(numbers)) < len(numbers):
        raise ValueError(f"{name} must be a list of different numbers from 1, not {numbers!r}")


@dataclass(frozen=True, slots=True)
class Recipe:
    """A whole recipe.

    Attributes:
        languages: of its data; a new vocabulary has their target tags.
        vocabulary_size: most pieces of a new vocabulary; that of `--init` or of the run's checkpoints is used instead.
        budget: most padded tokens in a batch.
        longest: tokens of a text that are trained on at once (a window for classification and language
            modelling; longer pairs are left out).
        backward_share: of the language model batches that train the backward stack.
        dev_examples: of each set that are looked at during training, of running text lines, four times as many; 0 all.
        fine_tune: settings by head name, each a phase with a frozen backbone after the joint one.
        ngram_regression: settings by the name of a classifier, to whose n-grams a logistic regression over them is
            added at the end.
    """

    name: str
    languages: tuple[str, ...]
    vocabulary_size: int
    budget: int
    longest: int
    window: int
    backward_share: float
    dev_examples: int
    backbone: Mapping[str, Any]
    heads: Mapping[str, HeadConfig]
    data: tuple[DataEntry, ...]
    training: TrainingConfig
    fine_tune: Mapping[str, TrainingConfig]
    ngram_regression: Mapping[str, NgramRegressionConfig]


_DEFAULTS: dict[str, Any] = {
    "languages": ("en", "de", "ko"),
    "vocabulary_size": 8192,
    "budget": 4000,
    "longest": 256,
    "window": 128,
    "backward_share": 0.25,
    "dev_examples": 300,
    "backbone": {},
    "fine_tune": {},
    "ngram_regression": {},
}


def recipe_from(values: Mapping[str, Any]) -> Recipe:
    """Check plain values (as from TOML) and build the recipe.

    Raises:
        ConfigError: an unknown or missing key or a value that cannot be; the message names it.
    """
    merged = {**_DEFAULTS, **values}
    known = [field.name for field in fields(Recipe)]
    if unknown := sorted(set(merged) - set(known)):
        raise ConfigError(f"recipe: unknown key {', '.join(unknown)}; known are {', '.join(known)}")
    if missing := sorted(set(known) - set(merged)):
        raise ConfigError(f"recipe: missing key {', '.join(missing)}")
    for name, least in (("vocabulary_size", 1), ("budget", 1), ("longest", 1), ("window", 1), ("dev_examples", 0)):
        value = merged[name]
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise ConfigError(f"recipe: {name} must be a whole number of at least {least}, not {value!r}")
    share = merged["backward_share"]
    if isinstance(share, bool) or not isinstance(share, int | float) or not 0 <= share <= 1:
        raise ConfigError(f"recipe: backward_share must be a number in [0, 1], not {share!r}")
    _check_tables(merged)
    languages = tuple(merged["languages"])
    try:
        check_languages(languages)
    except ValueError as error:
        raise ConfigError(f"recipe: {error}") from error
    heads = {name: head_config(head, f"heads.{name}") for name, head in merged["heads"].items()}
    data = tuple(config_from(DataEntry, entry, f"data[{number}]") for number, entry in enumerate(merged["data"]))
    for entry in data:
        if entry.head not in heads:
            raise ConfigError(f"data {entry.set}: there is no head {entry.head!r}; heads are {', '.join(heads)}")
        if others := [language for language in entry.languages if language not in languages]:
            raise ConfigError(
                f"data {entry.set} is in {', '.join(others)}; the recipe's languages are {', '.join(languages)}"
            )
        _check_regularization(entry, heads[entry.head])
    merged.update(
        languages=languages,
        heads=heads,
        data=data,
        training=config_from(TrainingConfig, merged["training"], "training"),
        fine_tune={
            name: config_from(TrainingConfig, {**phase, "freeze_backbone": True}, f"fine_tune.{name}")
            for name, phase in merged["fine_tune"].items()
        },
        ngram_regression={
            name: config_from(NgramRegressionConfig, settings, f"ngram_regression.{name}")
            for name, settings in merged["ngram_regression"].items()
        },
    )
    for key in ("fine_tune", "ngram_regression"):
        if unknown := sorted(set(merged[key]) - set(heads)):
            raise ConfigError(f"{key}: there is no head {', '.join(unknown)}; heads are {', '.join(heads)}")
    for name in merged["ngram_regression"]:
        config = heads[name]
        if not (isinstance(config, ClassifierConfig) and config.ngram_buckets):
            raise ConfigError(f"ngram_regression: the head {name} is no classifier with n-grams (ngram_buckets)")
    recipe = Recipe(**merged)
    _check_drawn(recipe)
    return recipe


def _check_tables(values: Mapping[str, Any]) -> None:
    """Whether the values have the shape of a recipe; what is in them is checked afterwards."""
    if not isinstance(values["name"], str):
        raise ConfigError(f"recipe: name must be a text, not {values['name']!r}")
    if not _is_list_of(str, values["languages"]):
        raise ConfigError(f"recipe: languages must be a list of codes, not {values['languages']!r}")
    if not _is_list_of(Mapping, values["data"]):
        raise ConfigError("recipe: data must be tables in a list; begin each with [[data]]")
    for key in ("backbone", "training", "heads", "fine_tune", "ngram_regression"):
        if not isinstance(values[key], Mapping):
            raise ConfigError(f"recipe: {key} must be a table, [{key}], not {values[key]!r}")
    for key in ("heads", "fine_tune", "ngram_regression"):
        for name, own in values[key].items():
            if not isinstance(own, Mapping):
                raise ConfigError(f"recipe: {key}.{name} must be a table, [{key}.{name}], not {own!r}")


def _is_list_of(kind: type, value: Any) -> bool:
    return isinstance(value, list | tuple) and all(isinstance(own, kind) for own in value)


def _check_drawn(recipe: Recipe) -> None:
    """Whether each phase has data to draw."""
    drawn = [entry.head for entry in recipe.data if entry.weight != 0]
    if recipe.training.steps and recipe.data and not drawn:
        raise ConfigError("training: all data have weight 0; one at least must be above 0")
    for head, phase in recipe.fine_tune.items():
        if phase.steps and head not in drawn:
            raise ConfigError(f"fine_tune.{head}: no data of that head have a weight above 0")


def _check_regularization(entry: DataEntry, config: HeadConfig) -> None:
    match config:
        case LanguageModelConfig():
            unused = {"word_dropout": None, "dropout": 0.0, "subword_smoothing": None, "consistency": 0.0}
            for name, default in unused.items():
                if getattr(entry, name) != default:
                    raise ConfigError(f"data {entry.set}: {name} is not for a language model")
        case Seq2SeqConfig(copy=True) if entry.consistency:
            raise ConfigError(f"data {entry.set}: consistency is not for a head that copies")
        case Seq2SeqConfig(copy=True) if entry.distillation:
            raise ConfigError(f"data {entry.set}: distillation is not for a head that copies")


def read_recipe(path: Path) -> Recipe:
    """Read a TOML file.

    Raises:
        ConfigError: no TOML, or not a recipe.
    """
    try:
        return recipe_from(tomllib.loads(path.read_text(encoding="utf-8")))
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: {error}") from error
