"""What the request schemas of all services share."""

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, model_validator

LONGEST_TEXT = 200_000
MOST_TEXTS = 256

Text = Annotated[str, StringConstraints(max_length=LONGEST_TEXT)]
ModelText = Annotated[str, StringConstraints(min_length=1, max_length=300)]
Texts = Text | Annotated[list[Text], Field(min_length=1, max_length=MOST_TEXTS)]


def whole(value: Any) -> Any:
    """JSON has one kind of numbers only, and 3.0 is a whole one."""
    return int(value) if type(value) is float and value.is_integer() else value


Integer = Annotated[int, BeforeValidator(whole)]
"""A whole number in a list; those that are fields need no such care."""


class Schema(BaseModel):
    """Unknown keys, wrong types, infinities and NaN are refused."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _whole_numbers(cls, values: Any) -> Any:
        return {key: whole(value) for key, value in values.items()} if isinstance(values, dict) else values


class ServiceRequest(Schema):
    """What the requests of all services have."""

    model: ModelText | None = Field(
        None, description="What is to answer, as in `/v1/models`; by default the first bundle that has the service."
    )


def as_list(texts: str | list[str]) -> list[str]:
    """A single text as a list of one."""
    return [texts] if isinstance(texts, str) else texts
