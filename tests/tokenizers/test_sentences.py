import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rondo_tokenizers.sentences import split_sentences

LIMIT_S = 5.0
marks = st.sampled_from(
    [".", "!", "?", "…", "。", "！", "」", '"', "'", "”", "“", ")", " ", "  ", "\n", "\r\n", "\u2028"]
)
words = st.sampled_from(["Dr", "usw", "z.B", "a", "A", "ß", "12", "3", "가다", "요", "x" * 20])
marked_text = st.lists(st.one_of(marks, words)).map("".join)


def parts(text: str) -> list[str]:
    """The sentences without the white space around them."""
    return [sentence.strip() for sentence in split_sentences(text)]


@given(st.one_of(st.text(), marked_text))
def test_joined_sentences_are_the_text(text: str) -> None:
    sentences = split_sentences(text)
    assert "".join(sentences) == text
    assert all(sentences)


@given(marked_text)
def test_only_a_text_of_white_space_has_a_blank_sentence(text: str) -> None:
    sentences = split_sentences(text)
    if text.strip():
        assert all(sentence.strip() for sentence in sentences[:-1])
    else:
        assert len(sentences) <= 1


@given(marked_text)
def test_a_line_break_never_lies_inside_a_sentence(text: str) -> None:
    for sentence in split_sentences(text):
        assert "\n" not in sentence.strip()


def test_plain_sentences() -> None:
    assert split_sentences("One. Two!  Three? Four… Five") == ["One. ", "Two!  ", "Three? ", "Four… ", "Five"]


def test_empty_text_has_no_sentence() -> None:
    assert split_sentences("") == []
    assert split_sentences("  \n ") == ["  \n "]


@pytest.mark.parametrize(
    "text",
    [
        "We met Dr. Heron at the lake.",
        "On Saturday, Dec. 7, Gov. Heron was in Mobile, Ala. (by train).",
        "The shop, est. 1900, sells tea etc. Everything is fresh.",
        "See fig. 3 and vol. IV of the report.",
        "Letters such as B. C. Heron stay whole.",
        "Das gilt bzw. Folgendes gilt ggf. Montags.",
        "Siehe Abb. 4 und Nr. 7 auf der Seite.",
        "Am 3. Oktober ist frei.",
        "Der 12. Zug kommt.",
        "It costs approx. 5 coins.",
        "C'était en 52 av. J.-C. à Rome, dit Mlle. Dupont au 3, boul. Voltaire.",
        "This is version 2.5 of the tool, see example.org for more.",
        "The file is called a.txt and it ends.",
        "He stopped. and then he went on.",
    ],
)
def test_full_stops_that_end_no_sentence(text: str) -> None:
    assert parts(text) == [text]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Es war 1995. Dann kam der Winter.", ["Es war 1995.", "Dann kam der Winter."]),
        ("He has 12. 13 are missing.", ["He has 12.", "13 are missing."]),
        ("Stop etc.! Go on.", ["Stop etc.!", "Go on."]),
        ("It is no. 5. The rest follows.", ["It is no. 5. The rest follows."]),
        ("Wirklich?! Ja.", ["Wirklich?!", "Ja."]),
        ("Er kam... Dann ging er.", ["Er kam...", "Dann ging er."]),
        ("The longestwordbeforedr. Next.", ["The longestwordbeforedr.", "Next."]),
    ],
)
def test_full_stops_that_do(text: str, expected: list[str]) -> None:
    assert parts(text) == expected


def test_korean_sentences() -> None:
    assert parts("오늘은 춥다. 집에 가고 싶어요! 정말요?") == ["오늘은 춥다.", "집에 가고 싶어요!", "정말요?"]


def test_wide_marks_need_no_space() -> None:
    assert parts("오늘은 춥다。집에 간다！「좋다。」끝") == ["오늘은 춥다。", "집에 간다！", "「좋다。」", "끝"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('"Come here." She left.', ['"Come here."', "She left."]),
        ("“Come here.” She left.", ["“Come here.”", "She left."]),
        ("(It was late.) She left.", ["(It was late.)", "She left."]),
        ('He said "no!" and left.', ['He said "no!" and left.']),
        ("«Es ist spät.» Sie ging.", ["«Es ist spät.»", "Sie ging."]),
    ],
)
def test_a_closing_quote_belongs_to_its_sentence(text: str, expected: list[str]) -> None:
    assert parts(text) == expected


@pytest.mark.parametrize("quoted", ["„Komm her.“", "‚Komm her!‘", "»Komm her.«"])
def test_german_quotes_close_with_marks_that_open_english_ones(quoted: str) -> None:
    """The closing marks were those of English only, so no sentence ended after a German quotation."""
    assert parts(f"{quoted} Sie ging.") == [quoted, "Sie ging."]


@pytest.mark.parametrize("space", ["", " ", "\u00a0", "\u202f"])
def test_french_quotes_close_after_a_space(space: str) -> None:
    quoted = f"«{space}Viens{space}!{space}»"
    assert split_sentences(f"Il crie : {quoted} Puis il part.") == [f"Il crie : {quoted} ", "Puis il part."]
    assert split_sentences(f"{quoted} dit-il.") == [f"{quoted} dit-il."]
    assert split_sentences(quoted) == [quoted]


def test_a_german_quote_that_opens_belongs_to_what_follows() -> None:
    assert split_sentences("Er kam! »Komm!« Dann ging er.") == ["Er kam! ", "»Komm!« ", "Dann ging er."]


def test_line_breaks_end_sentences() -> None:
    assert split_sentences("a title\n\nthe text\nmore") == ["a title\n\n", "the text\n", "more"]
    assert split_sentences("Dr.\nheron") == ["Dr.\n", "heron"]
    assert split_sentences("\n \n first\r\nsecond") == ["\n \n first\r\n", "second"]


def _seconds(text: str) -> float:
    began = time.perf_counter()
    assert "".join(split_sentences(text)) == text
    return time.perf_counter() - began


@pytest.mark.parametrize("unit", [". ", "a", "a. ", "Aa. ", "\n ", "。", " "])
def test_long_texts_take_linear_time(unit: str) -> None:
    assert _seconds(unit * (200_000 // len(unit))) < LIMIT_S


@pytest.mark.parametrize(
    "text", ["!" * 40_000 + "a", "! »" * 15_000 + "a", "a" * 40_000 + "!", "!" * 20_000 + '"' * 20_000 + "a"]
)
def test_long_runs_take_linear_time(text: str) -> None:
    """A run of n marks or letters cost n² steps: one request of 20,000 exclamation marks took 14 seconds."""
    assert _seconds(text) < LIMIT_S
