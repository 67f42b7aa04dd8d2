"""Tags come into a translation each once, properly nested, where the alignment says."""

import re
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rondo_tokenizers.markup import Unit, read_markup
from rondo_tokenizers.placing import Alignment, place_tags
from rondo_tokenizers.protected import OBJECT

_WORD = re.compile(r"\w+|[^\w\s]")


def _aligned(source: str, target: str, pairs: list[int]) -> Alignment:
    """Each target word looks at the source word of that number."""
    sources = [match.span() for match in _WORD.finditer(source)]
    targets = [match.span() for match in _WORD.finditer(target)]
    weights = [[0.9 if number == own else 0.1 / len(sources) for number in range(len(sources))] for own in pairs]
    return Alignment(sources, targets, weights)


def _placed(markup: str, target: str, pairs: list[int], objects: tuple[int, ...] = ()) -> str:
    (unit,) = read_markup(markup)
    assert isinstance(unit, Unit)
    return place_tags(unit, target, objects, [_aligned(unit.text, target, pairs)])


@pytest.mark.parametrize(
    ("markup", "target", "pairs", "expected"),
    [
        ("I <b>never</b> knew", "Wusste ich nie", [2, 0, 1], "Wusste ich <b>nie</b>"),
        ("<b>red</b> <i>house</i>", "casa roja", [1, 0], "<i>casa</i> <b>roja</b>"),
        ("<b>very <i>red</i></b> house", "casa muy roja", [2, 0, 1], "casa <b>muy <i>roja</i></b>"),
        ("<b><i>all of it</i></b>", "alles", [0], "<b><i>alles</i></b>"),
        ("<b>It is</b>.", "Ist so.", [1, 0, 1], "<b>Ist so</b>."),
        ("It is <b>good</b>.", "Es ist gut.", [0, 1, 2, 3], "Es ist <b>gut</b>."),
        ("one <img src=x>two", "eins zwei", [0, 1], "eins <img src=x>zwei"),
        ("one<br>two", "eins zwei", [0, 1], "eins<br> zwei"),
        ("one <a id=x></a>two", "eins zwei", [0, 1], "eins <a id=x></a>zwei"),
        ("<b>open two", "offen zwei", [0, 1], "<b>offen zwei"),
        ("a&nbsp;b &amp; c", "a\u00a0b & c < d", [0, 1, 2, 3, 3, 3], "a&nbsp;b &amp; c &lt; d"),
        ("fish & chips", "Fisch & Chips", [0, 1, 2], "Fisch & Chips"),
        ("this & that", "x &lt y", [0, 1, 1, 2], "x &amp;lt y"),
        ("A & B &amp;amp; C", "A & B &amp; C", [0, 1, 2, 3, 4, 5, 6], "A & B &amp;amp; C"),
        ("AT&T &amp;notin;", "AT&T &notin;", [0, 1, 2, 3, 4, 5], "AT&T &amp;notin;"),
    ],
)
def test_places(markup: str, target: str, pairs: list[int], expected: str) -> None:
    assert _placed(markup, target, pairs) == expected


@pytest.mark.parametrize(
    ("markup", "target", "pairs", "expected"),
    [
        ("one <img> two", "eins zwei", [0, 1], "eins <img> zwei"),
        ("one <img> two", "zwei eins", [1, 0], "<img> zwei eins"),
        ("one <img>, two", "eins, zwei", [0, 1, 2], "eins <img>, zwei"),
        ("one <img>two", "eins zwei", [0, 1], "eins <img>zwei"),
        ("one<img> two", "eins zwei", [0, 1], "eins<img> zwei"),
        ("one <img><img> two", "eins zwei", [0, 1], "eins <img><img> zwei"),
        ("one <img> <img> two", "eins zwei", [0, 1], "eins <img> <img> zwei"),
        ("one <a><img></a> two", "eins zwei", [0, 1], "eins <a><img></a> zwei"),
        ("one <i class=x></i> two", "eins zwei", [0, 1], "eins <i class=x></i> zwei"),
        ("<b>one <img></b> two", "eins zwei", [0, 1], "<b>eins <img></b> zwei"),
        ("<b><img> one</b> two", "eins zwei", [0, 1], "<b><img> eins</b> zwei"),
    ],
)
def test_an_image_keeps_the_spaces_around_it(markup: str, target: str, pairs: list[int], expected: str) -> None:
    """The model reads the two as one, which came after the image: none was left before it."""
    assert _placed(markup, target, pairs) == expected


@pytest.mark.parametrize(
    ("markup", "expected"),
    [
        ("One. <img> Two.", "Eins. <img> Zwei."),
        ("One. <br> Two.", "Eins. <br> Zwei."),
        ("One. <!-- c --> Two.", "Eins. <!-- c --> Zwei."),
        ("One. <img><img> Two.", "Eins. <img><img> Zwei."),
        ("One. <img> <img> Two.", "Eins. <img> <img> Zwei."),
        ("One. <a><img></a> Two.", "Eins. <a><img></a> Zwei."),
        ("<b>One. <img> Two.</b>", "<b>Eins. <img> Zwei.</b>"),
        ("One. <img>Two.", "Eins. <img>Zwei."),
        ("One.<img> Two.", "Eins.<img> Zwei."),
    ],
)
def test_between_sentences_spaces_stay_as_they_are(markup: str, expected: str) -> None:
    """The target has the source's: a further one was put before the image."""
    (unit,) = read_markup(markup)
    assert isinstance(unit, Unit)
    target = unit.text.replace("One", "Eins").replace("Two", "Zwei")
    assert place_tags(unit, target, (), [_aligned(unit.text, target, [0, 1, 2, 3])]) == expected


def test_objects_may_change_places() -> None:
    markup = "Use <code>a</code> before <kbd>b</kbd>"
    target = f"Vor {OBJECT} steht {OBJECT}"
    (unit,) = read_markup(markup)
    assert isinstance(unit, Unit)
    assert place_tags(unit, target, (1, 0), []) == "Vor <kbd>b</kbd> steht <code>a</code>"


_TAGS = [
    "<b>",
    "</b>",
    "<i>",
    "</i>",
    "<a href=x>",
    "</a>",
    "<br>",
    "<img>",
    "<!-- c -->",
    "one ",
    "two",
    " three",
    ", ",
]


@given(
    st.lists(st.sampled_from(_TAGS), max_size=20).map("".join),
    st.lists(st.sampled_from(["eins", "zwei", "drei", ",", "."]), max_size=8).map(" ".join),
    st.randoms(use_true_random=False),
)
def test_every_tag_comes_once_and_text_is_kept(markup: str, target: str, rng: object) -> None:
    for part in read_markup(markup):
        if isinstance(part, str):
            continue
        sources = [match.span() for match in _WORD.finditer(part.text)]
        targets = [match.span() for match in _WORD.finditer(target)]
        weights = [[rng.random() for _ in sources] for _ in targets]  # type: ignore[attr-defined]
        placed = place_tags(part, target, (), [Alignment(sources, targets, weights)])
        tag = re.compile(r"<[^>]*>")
        assert Counter(tag.findall(placed)) == Counter(tag.findall(part.raw))
        assert tag.sub("", placed).split() == target.split()
        num_pairs = sum(bool(own.closing) for own in part.tags)
        match list(read_markup(placed)):
            case [Unit() as again]:  # else lines are broken before a pair; pairs that cross would not be pairs any more
                assert sum(bool(own.closing) for own in again.tags) >= num_pairs
