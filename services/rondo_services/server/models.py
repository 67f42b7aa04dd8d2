"""Names of models as replies have them: `{bundle}/{service}`; `releases/names.py` has those that requests may use."""

from ..suite import Suite


def model_id(suite: Suite, service: str) -> str:
    """The full name."""
    return f"{suite.name}/{service}"
