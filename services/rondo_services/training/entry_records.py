"""What a run's folder notes of a recipe's data entries, to tell later whether they are still the same."""

import hashlib
from pathlib import Path
from typing import Any

from ..datasets.catalog import DATA_SETS
from .recipe import DataEntry, Recipe
from .user_data import require_file


def file_hashes(recipe: Recipe) -> dict[str, str]:
    """By what each own file trains, wherever it is.

    Raises:
        ConfigError: one is missing.
    """
    hashes = {}
    for entry in recipe.data:
        if entry.set not in DATA_SETS:
            require_file(Path(entry.set))
            with Path(entry.set).open("rb") as file:
                hashes[entry.task] = hashlib.file_digest(file, "sha256").hexdigest()[:16]
    return hashes


def as_read(entry: DataEntry) -> dict[str, Any]:
    """Which rows of its set are read, and how; not how they are then drawn and regularised."""
    return {
        "direction": entry.direction,
        "fold": entry.fold,
        "train_only": entry.train_only,
        "most": entry.most,
        "languages": list(entry.languages),
    }
