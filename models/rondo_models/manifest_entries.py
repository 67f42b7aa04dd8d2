"""What the entries of a manifest must be, as plain values. Knows no folder, and not what models and services make of
them.
"""

import re
from collections.abc import Mapping
from typing import Any

_WANTED = ("name", "version", "fingerprint", "languages", "services", "configs", "files")
_TEXTS = ("name", "version", "fingerprint")
_LISTS = ("data", "scores", "failures", "probes")
_MAPPINGS = ("training", "description")
_PART = r"[A-Za-z0-9_][A-Za-z0-9._-]{0,199}"
_FILE = re.compile(rf"{_PART}(?:/{_PART}){{0,3}}")


def is_file_name(name: str) -> bool:
    """Whether a bundle may have a file of this path below its folder."""
    return _FILE.fullmatch(name) is not None


def check_entries(content: Mapping[str, Any]) -> None:
    """Check the types of all that a reader relies on, and that files are below the bundle's folder.

    Raises:
        ValueError: an entry is missing or can't be; the message names it.
    """
    if missing := [key for key in _WANTED if key not in content]:
        raise ValueError(f"it lacks {', '.join(missing)}")
    for key in _TEXTS:
        if not isinstance(content[key], str):
            raise ValueError(f"{key} must be a string")
    if not isinstance(content["languages"], list) or not _are_texts(content["languages"]):
        raise ValueError("languages must be a list of strings")
    for key in _LISTS:
        entries = content.get(key, [])
        if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
            raise ValueError(f"{key} must be a list of objects")
    for key in _MAPPINGS:
        _object(content.get(key, {}), key)
    _objects(content["services"], "services")
    _check_configs(content["configs"])
    _check_files(content["files"])


def _check_configs(configs: Any) -> None:
    _object(configs, "configs")
    parts = {"configs.backbone": _object(configs.get("backbone"), "configs.backbone")}
    heads = _objects(configs.get("heads"), "configs.heads")
    parts.update({f"configs.heads.{name}": values for name, values in heads.items()})
    for where, values in parts.items():
        for key, value in values.items():
            if not all(isinstance(own, str | int | float) for own in (value if isinstance(value, list) else [value])):
                raise ValueError(f"{where}.{key} must be a string, a number, true, false or a list of them")


def _check_files(files: Any) -> None:
    _object(files, "files")
    if not _are_texts(files.values()):
        raise ValueError("files must have a SHA-256 by each path")
    if foreign := [name for name in files if not is_file_name(name)]:
        raise ValueError(f"a bundle has no file of the name {foreign[0][:200]!r}")


def _objects(value: Any, key: str) -> Mapping[str, Mapping[str, Any]]:
    return {name: _object(own, f"{key}.{name}") for name, own in _object(value, key).items()}


def _object(value: Any, key: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"{key} must be an object")
    return value


def _are_texts(values: Any) -> bool:
    return all(isinstance(value, str) for value in values)
