"""Fields that are a choice among the known languages, beside the same fields as plain literals."""

from typing import Any, Literal

import pytest
from pydantic import BaseModel, Field, ValidationError

from rondo_services.languages import (
    AUTO,
    AnyLanguage,
    KnownLanguage,
    in_order,
    known_languages,
    only_known,
    with_example,
)


class Known(BaseModel):
    source: AnyLanguage = Field(AUTO, description="From.")
    target: KnownLanguage = Field(description="Into.", json_schema_extra=with_example)
    third: AnyLanguage | None = None


class Spelled(BaseModel):
    source: Literal["auto", "en", "de", "ko"] = Field("auto", description="From.")
    target: Literal["en", "de", "ko"] = Field(description="Into.", examples=["de"])
    third: Literal["auto", "en", "de", "ko"] | None = None


def _told(kind: type[BaseModel], fields: dict[str, Any]) -> Any:
    """What a model says of fields: their values, or all that is wrong."""
    try:
        return kind.model_validate(fields).model_dump()
    except ValidationError as error:
        return error.errors(include_url=False)


@pytest.mark.parametrize("value", ["fr", "", "EN", "auto", "en", "ko", 5, None, ["en"], {"en": 1}, True])
def test_a_choice_among_three_is_taken_and_refused_as_if_it_were_spelled_out(value: Any) -> None:
    with only_known(["en", "de", "ko"]):
        for name in ("source", "target", "third"):
            fields = {"target": "de", name: value}
            assert _told(Known, fields) == _told(Spelled, fields)


def test_it_is_described_as_if_it_were_spelled_out() -> None:
    with only_known(["ko", "de", "en"]):
        assert Known.model_json_schema()["properties"] == Spelled.model_json_schema()["properties"]
    with only_known(["fr", "en"]):
        target = Known.model_json_schema()["properties"]["target"]
    assert (target["enum"], target["examples"]) == (["en", "fr"], ["fr"])


@pytest.mark.parametrize(
    ("languages", "told"), [(["fr"], "Input should be 'fr'"), (["fr", "en"], "Input should be 'en' or 'fr'")]
)
def test_few_languages(languages: list[str], told: str) -> None:
    with only_known(languages):
        assert Known(target="fr").target == "fr"
        with pytest.raises(ValidationError, match=told):
            Known(target="de")


def test_who_serves_no_bundle_knows_all_languages() -> None:
    assert known_languages() == ("en", "de", "ko", "fr")
    with only_known(["en"]):
        assert known_languages() == ("en",)
    assert Known(source="fr", target="ko").source == "fr"


def test_languages_are_listed_once_and_in_one_order() -> None:
    assert in_order(iter(["fr", "ko", "en", "fr"])) == ("en", "ko", "fr")
