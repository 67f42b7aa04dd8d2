"""Configurations from plain values, as they come from a file. Nothing here needs torch."""

import math
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, Literal, get_args, get_origin

Precision = Literal["float32", "mixed", "bfloat16", "int16"]
PRECISIONS: tuple[Precision, ...] = get_args(Precision)


class ConfigError(ValueError):
    """A configuration has an unknown key or a value that cannot be."""


def config_from(kind: type[Any], values: Mapping[str, Any], where: str) -> Any:
    """Build a configuration dataclass from plain values; lists become tuples.

    Raises:
        ConfigError: an unknown or missing key, a value that the dataclass refuses, or one of another type.
    """
    types = {field.name: field.type for field in fields(kind)}
    known = list(types)
    unknown = sorted(set(values) - set(known))
    if unknown:
        raise ConfigError(f"{where}: unknown key {', '.join(unknown)}; known are {', '.join(known)}")
    given = {key: tuple(v) if isinstance(v, list) else v for key, v in values.items()}
    try:
        config = kind(**given)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{where}: {error}") from error
    if wrong := [key for key, value in given.items() if not _is_of(types[key], value)]:
        raise ConfigError(f"{where}: {wrong[0]} can't be {given[wrong[0]]!r}")
    return config


def _is_of(kind: Any, value: Any) -> bool:
    """Whether a value is of a field's type; a whole number is a float too, and a type that is not plain has any."""
    if kind in (int, bool, str):
        return type(value) is kind
    if kind is float:
        return type(value) is int or (type(value) is float and math.isfinite(value))
    if get_origin(kind) is tuple:
        return isinstance(value, tuple) and all(_is_of(get_args(kind)[0], own) for own in value)
    if get_origin(kind) is Literal:
        return value in get_args(kind)
    return True
