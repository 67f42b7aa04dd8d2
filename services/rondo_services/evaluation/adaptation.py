"""The ways in which a language model may take to the text that it is measured on, by name.

Such a perplexity is no plain one: published figures are told apart as static, with a cache, and dynamic. So are ours,
by the settings in a report's signature.
"""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from ..errors import InvalidInput
from .dynamic_evaluation import DynamicEvaluation
from .neural_cache import NeuralCache

Adaptation = NeuralCache | DynamicEvaluation

_KINDS: dict[str, type[Adaptation]] = {"cache": NeuralCache, "dynamic": DynamicEvaluation}


def adaptation_of(name: str, settings: Mapping[str, Any]) -> Adaptation:
    """The adaptation called `name`, with settings instead of its defaults.

    Raises:
        InvalidInput: there is none of that name, or a setting that it has not or that cannot be.
    """
    if name not in _KINDS:
        raise InvalidInput(f"unknown adaptation {name!r}; choose among {', '.join(_KINDS)}")
    kind = _KINDS[name]
    try:
        return kind.model_validate(dict(settings))
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
        raise InvalidInput(f"{name}: {wrong}; its settings are {', '.join(kind.model_fields)}") from error


def told(adaptation: Adaptation | None) -> dict[str, Any]:
    """What a signature says of an adaptation; nothing if there is none."""
    if adaptation is None:
        return {}
    names = {kind: name for name, kind in _KINDS.items()}
    settings = adaptation.model_dump()
    if isinstance(adaptation, DynamicEvaluation) and adaptation.cache is None:
        settings = {name: value for name, value in settings.items() if not name.startswith("cache_")}
    return {"adapt": names[type(adaptation)], **settings}
