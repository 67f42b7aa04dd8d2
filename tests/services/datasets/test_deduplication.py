from unicodedata import normalize

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rondo_services.datasets.deduplication import SHORTEST_LINE, HeldOut, fingerprint
from rondo_services.datasets.examples import Document, Example, Labelled, Pair, TaggedWords

LONG_LINE = "The heron stood in the water for the whole afternoon."


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("A good film!", "a GOOD film"),
        ("so-called", "so called"),
        ("Straße", "STRASSE"),
        ("정말 좋다...", "정말좋다"),
        ("snake_case", "Snake Case"),
        ("one\n two\t", "one two"),
        ("정말 좋다", normalize("NFD", "정말 좋다")),
        ("Schöne Straße", normalize("NFD", "Schöne Straße")),
        ("é", normalize("NFD", "é")),
        ("\u0301", "\u0301"),
        ("Ｇｏｏｄ ｆｉｌｍ", "Good film"),
    ],
)
def test_variants_have_one_fingerprint(first: str, second: str) -> None:
    assert fingerprint(first) == fingerprint(second)


@pytest.mark.parametrize(
    ("first", "second"),
    [("good", "goods"), ("좋다", "좋아"), ("part 1", "part 2"), ("no", "on"), ("schon", normalize("NFD", "schön"))],
)
def test_other_words_have_another(first: str, second: str) -> None:
    assert fingerprint(first) != fingerprint(second)


@given(st.text(st.characters(codec="utf-8", categories=("L", "N")), min_size=1))
def test_marks_around_a_text_change_nothing(text: str) -> None:
    assert fingerprint(f"  «{text}»… ") == fingerprint(text)


@given(st.text(max_size=20))
def test_how_characters_are_composed_changes_nothing(text: str) -> None:
    """Copies of test texts with decomposed characters stayed in training, where they are composed."""
    assert fingerprint(normalize("NFD", text)) == fingerprint(normalize("NFC", text))


def cleaned(held: list[Example], train: list[Example]) -> tuple[list[Example], int]:
    held_out = HeldOut()
    held_out.add(held)
    return list(held_out.clean(train)), held_out.num_dropped


def test_variants_of_held_out_texts_are_dropped() -> None:
    held: list[Example] = [Labelled("A good film!", "positive", "en")]
    train: list[Example] = [
        Labelled("a GOOD film", "positive", "en"),
        Labelled("A good film", "negative", "en"),
        Labelled("A good film indeed", "positive", "en"),
    ]
    assert cleaned(held, train) == ([train[2]], 2)


def test_duplicates_in_training_count_once() -> None:
    train: list[Example] = [
        Labelled("Fine.", "positive", "en"),
        Labelled("fine", "positive", "en"),
        Pair("fine", "gut", "en", "de"),
        Pair("Fine!", "Gut", "en", "de"),
        Pair("fine", "schön", "en", "de"),
    ]
    assert cleaned([], train) == ([train[0], train[2], train[4]], 2)


@pytest.mark.parametrize(
    "pair",
    [
        Pair("a boat", "etwas", "en", "de"),
        Pair("something", "Ein Boot", "en", "de"),
        Pair("EIN BOOT?", "something", "de", "en"),
    ],
)
def test_a_pair_is_dropped_if_either_side_is_held_out(pair: Pair) -> None:
    assert cleaned([Pair("A boat.", "Ein Boot.", "en", "de")], [pair]) == ([], 1)


def test_a_pair_may_share_its_target_where_only_sources_count() -> None:
    held_out = HeldOut()
    held_out.add([Pair("Where is it?", "Meeting", "en", "en", ("Meeting", "Place of meeting"))])
    kept = Pair("We meet at two.", "meeting", "en", "en")
    train: list[Example] = [kept, Pair("where is it", "Place", "en", "en"), Pair("Meeting!", "Meet", "en", "en")]
    assert list(held_out.clean(train, by_source=True)) == [kept]
    assert held_out.num_dropped == 2


def test_all_references_are_held_out() -> None:
    held = Pair("Go.", "Geh.", "en", "de", ("Geh.", "Gehen Sie."))
    assert cleaned([held], [Pair("Please go", "gehen sie", "en", "de")]) == ([], 1)


def test_a_text_is_held_out_of_every_kind_of_example() -> None:
    held: list[Example] = [Labelled(LONG_LINE, "positive", "en")]
    train: list[Example] = [Pair("Reiher", LONG_LINE.lower(), "de", "en"), Document(("x", LONG_LINE.upper()), "en")]
    assert cleaned(held, train) == ([Document(("x",), "en")], 2)
    tagged = TaggedWords(LONG_LINE, ((0, 3),), ("keep",), "en")
    assert cleaned(held, [tagged]) == ([], 1)
    assert cleaned([tagged], held) == ([], 1)


def test_a_document_keeps_short_lines_and_loses_long_held_out_ones() -> None:
    short = "See also"
    assert len(short) < SHORTEST_LINE <= len(LONG_LINE)
    held: list[Example] = [Document((short, LONG_LINE, ""), "en")]
    train: list[Example] = [Document((short, "", LONG_LINE.replace(" ", "  "), LONG_LINE + " Then it left."), "en")]
    expected: list[Example] = [Document((short, "", LONG_LINE + " Then it left."), "en")]
    assert cleaned(held, train) == (expected, 1)


def test_membership() -> None:
    held_out = HeldOut()
    held_out.add([Labelled("Good!", "positive", "en")])
    assert "good" in held_out
    assert "bad" not in held_out
