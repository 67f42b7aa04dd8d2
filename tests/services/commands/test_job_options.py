from typing import Any

import pytest
from pydantic import BaseModel

from rondo_services.commands.job_options import checked, checked_precision, service_options
from rondo_services.errors import InvalidInput


@pytest.mark.parametrize(
    ("given", "options"),
    [
        ([], {}),
        (["beam_size=1"], {"beam_size": 1}),
        (["explain=true", "length_penalty=0.5"], {"explain": True, "length_penalty": 0.5}),
        (["language=ko"], {"language": "ko"}),
        (['stop=["a", "b=c"]'], {"stop": ["a", "b=c"]}),
        (["stop=a=b"], {"stop": "a=b"}),
        (["stop="], {"stop": ""}),
        (['seed="5"'], {"seed": "5"}),
    ],
)
def test_values_are_json_and_else_text(given: list[str], options: dict[str, Any]) -> None:
    assert service_options(None, None, given) == options


def test_languages_have_options_of_their_own() -> None:
    assert service_options("de", "auto", ["beam_size=2"]) == {"target": "de", "source": "auto", "beam_size": 2}


@pytest.mark.parametrize("given", [["target=en"], ["beam_size=1", "beam_size=2"]])
def test_nothing_is_given_twice(given: list[str]) -> None:
    with pytest.raises(InvalidInput, match="is given twice"):
        service_options("de", None, given)


def test_what_has_no_value_is_refused() -> None:
    with pytest.raises(InvalidInput, match="--set explain: expected NAME=VALUE"):
        service_options(None, None, ["explain"])


def test_precisions() -> None:
    assert (checked_precision("auto"), checked_precision("float32")) == (None, "float32")
    with pytest.raises(InvalidInput, match="precision must be auto, float32"):
        checked_precision("int4")


class _Own(BaseModel):
    size: int
    name: str = ""


def test_all_that_is_wrong_is_told_at_once() -> None:
    assert checked(_Own, size=1) == _Own(size=1)
    with pytest.raises(InvalidInput, match=r"size: .*; name: "):
        checked(_Own, size="x", name=1)
