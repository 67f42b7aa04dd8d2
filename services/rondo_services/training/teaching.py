"""Bundles from whose answers a run's model learns, beside what its data say (knowledge distillation)."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from rondo_models.bundle import Bundle, load_bundle
from rondo_models.config import ConfigError
from rondo_models.heads.classifier import ClassifierConfig
from rondo_models.heads.seq2seq import Seq2SeqConfig
from rondo_models.heads.tagger import TaggerConfig
from rondo_models.model import HeadConfig
from rondo_models.training.distillation import Lesson

from .recipe import Recipe


def load_teachers(paths: Sequence[Path]) -> dict[Path, Bundle]:
    """The bundles in these folders.

    Raises:
        ConfigError: one is named twice.
        BundleError: one can't be used.
    """
    if twice := next((path for path in paths if paths.count(path) > 1), None):
        raise ConfigError(f"the teacher {twice} is named twice")
    return {path: load_bundle(path) for path in paths}


def heads_taught_by(recipe: Recipe, number: int) -> set[str]:
    """Heads that learn from the teacher of this number, counted from 1."""
    taught = [entry for entry in recipe.data if entry.distillation]
    return {entry.head for entry in taught if not entry.taught_by or number in entry.taught_by}


def check_teachers(recipe: Recipe, teachers: Mapping[Path, Bundle]) -> None:
    """Check that the teachers know what the recipe's model is to learn from them.

    Raises:
        ConfigError: there are some and nothing learns from one of them, or fewer than are needed; or one has another
            vocabulary than the others, no such head, or one that answers otherwise.
    """
    taught = [entry for entry in recipe.data if entry.distillation]
    if taught and not teachers:
        heads = sorted({entry.head for entry in taught})
        raise ConfigError(f"{', '.join(heads)}: distillation needs teachers; name bundles with --teacher")
    if teachers and not taught:
        raise ConfigError("there are teachers, but no data entry has a distillation above 0")
    for entry in taught:
        if missing := [number for number in entry.taught_by if number > len(teachers)]:
            raise ConfigError(f"data {entry.set}: there is no teacher {missing[0]}, but {len(teachers)} in all")
    first = next(iter(teachers), None)
    for number, (path, teacher) in enumerate(teachers.items(), start=1):
        if first is not None and teacher.tokenizer != teachers[first].tokenizer:
            raise ConfigError(f"the teachers {first} and {path} have different vocabularies")
        heads = sorted(heads_taught_by(recipe, number))
        if not heads:
            raise ConfigError(f"nothing is taught by the teacher {path}, number {number}")
        for head in heads:
            if head not in teacher.model.heads:
                raise ConfigError(f"the teacher {path} has no head {head}; it has {', '.join(teacher.model.heads)}")
            _check_answers_alike(path, head, recipe.heads[head], teacher.model.head(head).config)


def _check_answers_alike(path: Path, head: str, own: HeadConfig, teachers: HeadConfig) -> None:
    if type(own) is not type(teachers):
        raise ConfigError(f"the teacher {path}: {head} is another kind of head than the recipe's")
    match own, teachers:
        case (ClassifierConfig() | TaggerConfig(), ClassifierConfig() | TaggerConfig()):
            if list(own.labels) != list(teachers.labels):
                labels = f"{list(teachers.labels)}, the recipe's {list(own.labels)}"
                raise ConfigError(f"the teacher {path}: the labels of {head} are {labels}")
        case (_, Seq2SeqConfig(copy=True)):
            raise ConfigError(f"the teacher {path}: {head} copies, so its words are not all in the vocabulary")


def lessons_of(recipe: Recipe, teachers: Sequence[Bundle], device: str) -> dict[str, Lesson]:
    """By the names of the data entries' tasks, what each learns; the teachers are brought to the device."""
    models = [teacher.model.to(device).eval().requires_grad_(False) for teacher in teachers]
    return {
        entry.task: Lesson(
            [models[number - 1] for number in entry.taught_by] or models, entry.distillation, entry.temperature
        )
        for entry in recipe.data
        if entry.distillation
    }
