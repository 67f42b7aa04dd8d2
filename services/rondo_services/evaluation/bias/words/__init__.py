"""The files with sentences and words."""

import tomllib
from importlib.resources import files
from typing import Any

LANGUAGES = ("en", "de", "ko")


def read_words(name: str) -> dict[str, Any]:
    """What `NAME.toml` holds: of a language, or the professions."""
    return tomllib.loads((files(__package__) / f"{name}.toml").read_text(encoding="utf-8"))
