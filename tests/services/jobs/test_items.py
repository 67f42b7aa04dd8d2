import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rondo_services.jobs.items import BadItem, Item, packed, unpacked

_TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
_ITEMS = st.builds(
    Item,
    st.integers(0),
    st.integers(1),
    _TEXTS,
    st.lists(_TEXTS).map(tuple),
    st.none() | _TEXTS | st.integers(),
    st.none() | _TEXTS,
)
_BAD_ITEMS = st.builds(BadItem, st.integers(0), st.integers(1), _TEXTS)


@given(_ITEMS | _BAD_ITEMS)
def test_what_is_packed_comes_back(item: Item | BadItem) -> None:
    line = packed(item)
    assert unpacked(line) == unpacked(line.encode()) == item
    assert len(line.encode().splitlines()) == 1


def test_packed_lines_are_json_for_people() -> None:
    assert json.loads(packed(Item(0, 1, "배"))) == [0, 1, "배", [], None, None]
    assert "배" in packed(Item(0, 1, "배"))


@pytest.mark.parametrize("line", ["[1]", "{}", "[1,2,3,4]"])
def test_what_was_not_packed_is_no_item(line: str) -> None:
    with pytest.raises((TypeError, ValueError)):
        unpacked(line)
