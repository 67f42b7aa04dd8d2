import pytest
from hypothesis import given
from hypothesis import strategies as st

from rondo_services.evaluation.pages.differences import Spans, compared


def joined(spans: Spans) -> str:
    return "".join(span.text for span in spans)


def marked(spans: Spans) -> list[str]:
    return [span.text for span in spans if span.differs]


def test_words_that_one_side_lacks_are_marked() -> None:
    found = compared("The quick red fox jumps", ["The quick brown fox"])
    assert marked(found.answer) == ["red", "jumps"]
    assert marked(found.reference) == ["brown"]


def test_neighbouring_words_are_one_mark_with_the_space_between() -> None:
    assert marked(compared("a b c d", ["a d"]).answer) == ["b c"]


def test_equal_texts_have_no_mark() -> None:
    found = compared("좋은 영화!", ["좋은 영화!"])
    assert not marked(found.answer)
    assert not marked(found.reference)


def test_of_several_references_the_nearest_is_compared() -> None:
    found = compared("ich mache mit", ["zähl mich dazu", "ich mache auch mit", "nein"])
    assert found.nearest == 1
    assert marked(found.reference) == ["auch"]


@pytest.mark.parametrize("references", [[], ["word " * 1501]])
def test_without_a_reference_or_with_too_long_ones_nothing_is_marked(references: list[str]) -> None:
    found = compared("some words", references)
    assert found.nearest is None
    assert joined(found.answer) == "some words"
    assert not marked(found.answer)


@given(st.text(), st.lists(st.text(), max_size=3))
def test_spans_make_up_the_texts(answer: str, references: list[str]) -> None:
    found = compared(answer, references)
    assert joined(found.answer) == answer
    if found.nearest is not None:
        assert joined(found.reference) == references[found.nearest]
