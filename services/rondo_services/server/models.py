"""Names of models: `{bundle}/{service}`, with the bare service name as an alias."""

from ..errors import UnknownModel
from ..suite import Suite


def model_id(suite: Suite, service: str) -> str:
    """The full name."""
    return f"{suite.name}/{service}"


def service_of(suite: Suite, model: str, *, only: str | None = None) -> str:
    """The service that a model's name means.

    Args:
        only: the service that the protocol is for; None if it is for all.

    Raises:
        UnknownModel: there is no such model, or it does something else.
    """
    offered = [name for name in suite.served() if only is None or name == only]
    known = {**{name: name for name in offered}, **{model_id(suite, name): name for name in offered}}
    if model not in known:
        names = ", ".join(model_id(suite, name) for name in offered) or "none"
        raise UnknownModel(f"there is no model {model!r} for this; choose among {names}", field="model")
    return known[model]
