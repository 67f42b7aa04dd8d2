"""The recipe for one service from a user's own file."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from rondo_models.config import ConfigError

from .recipe import Recipe, recipe_from
from .user_data import labels_in

TASKS = ("sentiment", "generation", "summarization", "translation")
_STEPS = 1500


def _head(task: str, data: Path) -> dict[str, Any]:
    if task == "sentiment":
        return {"kind": "classifier", "labels": list(labels_in(data)), "ngram_buckets": 65536}
    if task == "generation":
        return {"kind": "language_model"}
    if task == "summarization":
        return {"kind": "seq2seq", "hidden_size": 384, "copy": True}
    if task == "translation":
        return {"kind": "seq2seq", "hidden_size": 384}
    raise ConfigError(f"unknown task {task!r}; choose one of {', '.join(TASKS)}")


def user_recipe(task: str, data: Path, language: str, target_language: str) -> Recipe:
    """A recipe that trains one service on one file; `docs/training.md` shows an example.

    Raises:
        ConfigError: an unknown task, a file without the task's columns, or a translation into the same language.
    """
    head = _head(task, data)
    if task == "translation" and language == target_language:
        raise ConfigError(
            f"translation is from {language} into {target_language}: give --language and --target-language"
        )
    return recipe_from(
        {
            "name": f"{data.stem}-{task}",
            "languages": list(dict.fromkeys([language, target_language])) if task == "translation" else [language],
            "vocabulary_size": 4096,
            "budget": 2048,
            "backbone": {"embedding_size": 256, "hidden_size": 384},
            "heads": {task: head},
            "data": [{"set": str(data), "head": task, "language": language, "target_language": target_language}],
            "training": {"steps": _STEPS, "micro_batches": 1, "dev_every": 250, "checkpoint_every": 250},
            "ngram_regression": {task: {}} if task == "sentiment" else {},
        }
    )


def with_steps(recipe: Recipe, steps: int) -> Recipe:
    """The same recipe with another number of joint steps.

    A warm-up longer than a tenth of them is shortened, and there are at least four checkpoints.
    """
    training = replace(
        recipe.training,
        steps=steps,
        warmup_steps=min(recipe.training.warmup_steps, max(1, steps // 10)),
        checkpoint_every=min(recipe.training.checkpoint_every, max(1, steps // 4)),
    )
    return replace(recipe, training=training)
