"""What the request schemas of all services share."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

LONGEST_TEXT = 200_000
MOST_TEXTS = 256

Text = Annotated[str, StringConstraints(max_length=LONGEST_TEXT)]
Texts = Text | Annotated[list[Text], Field(min_length=1, max_length=MOST_TEXTS)]


class Schema(BaseModel):
    """Unknown keys, wrong types, infinities and NaN are refused."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


def as_list(texts: str | list[str]) -> list[str]:
    """A single text as a list of one."""
    return [texts] if isinstance(texts, str) else texts
