"""What all request schemas take for a number."""

import pytest
from pydantic import Field, ValidationError

from rondo_services.schema import Integer, Schema


class Counted(Schema):
    count: int | None = None
    share: float = 0.5
    ids: list[Integer] = Field(default_factory=list)


def test_a_whole_number_may_be_written_as_a_float() -> None:
    counted = Counted.model_validate_json('{"count": 2.0, "share": 1.0, "ids": [3.0, 4]}')
    assert counted == Counted(count=2, share=1.0, ids=[3, 4])
    assert type(counted.count) is int
    assert type(counted.share) is float


@pytest.mark.parametrize("body", ['{"count": 2.5}', '{"count": "2"}', '{"count": true}', '{"ids": [2.5]}', "[]", "2.0"])
def test_nothing_else_is(body: str) -> None:
    with pytest.raises(ValidationError):
        Counted.model_validate_json(body)
