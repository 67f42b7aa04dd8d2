"""Configurations from plain values, as they come from a file. Nothing here needs torch."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, Literal, get_args

Precision = Literal["float32", "mixed", "bfloat16", "int16"]
PRECISIONS: tuple[Precision, ...] = get_args(Precision)


class ConfigError(ValueError):
    """A configuration has an unknown key or a value that cannot be."""


def config_from(kind: type[Any], values: Mapping[str, Any], where: str) -> Any:
    """Build a configuration dataclass from plain values; lists become tuples.

    Raises:
        ConfigError: an unknown or missing key, or a value that the dataclass refuses.
    """
    known = [field.name for field in fields(kind)]
    unknown = sorted(set(values) - set(known))
    if unknown:
        raise ConfigError(f"{where}: unknown key {', '.join(unknown)}; known are {', '.join(known)}")
    try:
        return kind(**{key: tuple(v) if isinstance(v, list) else v for key, v in values.items()})
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{where}: {error}") from error
