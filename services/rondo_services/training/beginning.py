"""What the model of a run begins as: new, or with the weights of an initial bundle."""

import sys
from collections.abc import Mapping
from dataclasses import replace

import torch

from rondo_models.backbone import BackboneConfig
from rondo_models.bundle import Bundle
from rondo_models.config import ConfigError, config_from
from rondo_models.heads.classifier import ClassifierConfig, ClassifierHead
from rondo_models.model import RondoModel
from rondo_models.training.progress import RunLog
from rondo_tokenizers.vocabulary import Tokenizer

from .piece_table import piece_table
from .recipe import Recipe


def begun_model(recipe: Recipe, tokenizer: Tokenizer, init: Bundle | None) -> tuple[RondoModel, dict[str, str]]:
    """What gradient steps begin with: a new model, or what the initial bundle has of it, without the n-grams that are a
    regression's alone; with an initial bundle also how each head begins."""
    lone = _heads_with_lone_ngrams(recipe)
    recipe = without_lone_ngrams(recipe)
    torch.manual_seed(recipe.training.seed)
    if init is None:
        values = {**recipe.backbone, "vocabulary_size": tokenizer.size, "pad_id": tokenizer.pad_id}
        model = RondoModel(config_from(BackboneConfig, values, "backbone"), recipe.heads)
        _tell_pieces(model, tokenizer)
        return model, {}
    model = RondoModel(merged_backbone(recipe, init), recipe.heads)
    _tell_pieces(model, tokenizer)
    model.backbone.load_state_dict(init.model.backbone.state_dict())
    return model, {name: _start_head(model, name, init, name in lone) for name in model.heads}


def log_beginning(log: RunLog, init: Bundle, beginnings: Mapping[str, str]) -> None:
    """Let the log say how each head begins, and standard error which are not all the initial bundle's."""
    log.write(phase="start", step=0, bundle=init.fingerprint, heads=beginnings)
    for name, how in beginnings.items():
        if how != _KEPT:
            print(f"the head {name} is {how}", file=sys.stderr, flush=True)


def without_lone_ngrams(recipe: Recipe) -> Recipe:
    """The recipe as gradient steps shall see it: without the n-grams that are a regression's alone."""
    lone = _heads_with_lone_ngrams(recipe)
    if not lone:
        return recipe
    heads = {
        name: replace(config, ngram_buckets=0) if name in lone and isinstance(config, ClassifierConfig) else config
        for name, config in recipe.heads.items()
    }
    return replace(recipe, heads=heads)


def _heads_with_lone_ngrams(recipe: Recipe) -> set[str]:
    return {name for name, settings in recipe.ngram_regression.items() if settings.alone}


def with_ngrams(trained: RondoModel, recipe: Recipe, tokenizer: Tokenizer) -> RondoModel:
    """The same function, with all n-grams that the recipe gives its heads; the new ones say nothing yet."""
    model = RondoModel(trained.backbone.config, recipe.heads)
    model.backbone.load_state_dict(trained.backbone.state_dict())
    for name in model.heads:
        head, before = model.head(name), trained.head(name)
        if isinstance(head, ClassifierHead) and isinstance(before, ClassifierHead):
            head.start_from(before)
        else:
            head.load_state_dict(before.state_dict())
    _tell_pieces(model, tokenizer)
    return model


def _tell_pieces(model: RondoModel, tokenizer: Tokenizer) -> None:
    """Let the classifiers that count words know the vocabulary."""
    classifiers = [head for head in map(model.head, model.heads) if isinstance(head, ClassifierHead)]
    if any(head.pieces is not None for head in classifiers):
        table = piece_table(tokenizer)
        for head in classifiers:
            head.know_pieces(table)


def _start_head(model: RondoModel, name: str, init: Bundle, has_lone_ngrams: bool) -> str:
    """Give a head the initial bundle's weights if it has some that fit; what was done, for the log."""
    if name not in init.model.heads:
        return "new: the bundle has none of that name"
    head, given = model.head(name), init.model.head(name)
    if isinstance(head, ClassifierHead) and isinstance(given, ClassifierHead):
        if has_lone_ngrams and given.config.ngram_buckets:
            return _start_apart_from_ngrams(head, given)
        if not head.config.can_start_from(given.config):
            return _ANOTHER_SHAPE
        head.start_from(given)
    else:
        if not head.config.has_weights_of(given.config):
            return _ANOTHER_SHAPE
        head.load_state_dict(given.state_dict())
    return _KEPT


def _start_apart_from_ngrams(head: ClassifierHead, given: ClassifierHead) -> str:
    """As `_start_head`, for a head whose n-grams are found anew at the end."""
    if not head.config.can_start_from(replace(given.config, ngram_buckets=0)):
        return _ANOTHER_SHAPE
    weights = given.state_dict()
    head.load_state_dict({key: weights[key] for key in head.state_dict()})
    return "the bundle's, apart from its n-grams"


_KEPT = "the bundle's"
_ANOTHER_SHAPE = "new: its shape is another than the bundle's"


def check_heads(recipe: Recipe, init: Bundle | None) -> None:
    """Check that each head has data, or weights in the initial bundle.

    Raises:
        ConfigError: one has neither, or is of another shape there.
    """
    trained = {entry.head for entry in recipe.data}
    for name, config in recipe.heads.items():
        if name in trained:
            continue
        if init is None or name not in init.model.heads:
            raise ConfigError(f"there is no data for the head {name}, and no initial bundle that has it")
        if not config.has_weights_of(init.model.head(name).config):
            raise ConfigError(f"there is no data for the head {name}, and the initial bundle's has another shape")


def merged_backbone(recipe: Recipe, init: Bundle) -> BackboneConfig:
    """The initial bundle's backbone; a recipe may only change its dropout."""
    config = init.model.backbone.config
    for name, value in recipe.backbone.items():
        if name != "dropout" and getattr(config, name) != value:
            raise ConfigError(f"backbone.{name} is {value}, but {getattr(config, name)} in the initial bundle")
    return replace(config, dropout=recipe.backbone.get("dropout", config.dropout))
