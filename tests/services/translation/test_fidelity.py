"""Whatever an engine writes, what the source protects is in the translation, exactly once, and nothing of that kind
besides."""

import html
import re
import time
import unicodedata
from collections import Counter
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rondo_services.errors import InvalidInput
from rondo_services.translation.fidelity import Expected, Fixed, is_clean, without_protected, without_signs
from rondo_services.translation.service import TranslationOptions
from rondo_tokenizers.protected import find_protected

_SIGNS = st.text(alphabet="ab 15.,:%{}$`@<>/&;#sX\n\"'=한", max_size=20)
_WORDS = st.sampled_from(["Hello", "the house", ", and", ".", "!", " ", "Tom", "X1", "안녕", "(", ")", "\n", "- "])
_GIVEN = st.sampled_from(
    [
        "{name}",
        "{0}",
        "%s",
        "%d",
        "%1$s",
        "${x}",
        "https://example.org/?a=1",
        "a@b.org",
        "5",
        "12:30",
        "3.5",
        "`ls -l`",
        "50%",
    ]
)
_SOURCES = st.lists(st.tuples(_WORDS, _GIVEN, st.sampled_from(["", " "])), min_size=1, max_size=6).map(
    lambda parts: "".join(word + space + given + space for word, given, space in parts)
)
_ANSWERS = st.lists(
    st.one_of(_SIGNS, _SOURCES, st.sampled_from(["Tom Tom", "Tom Ken", "X1 X2", "5 5", ""])), max_size=4
)


def _marks(text: str) -> Counter[str]:
    return Counter(text[own.begin : own.end] for own in find_protected(text) if own.kind != "number")


def _numbers(text: str) -> Counter[str]:
    return Counter(
        text[own.begin : own.end].strip("$€£¥₩ \u00a0\u202f") for own in find_protected(text) if own.kind == "number"
    )


@given(_SOURCES, _ANSWERS)
def test_all_is_kept_whatever_the_engine_writes(translator: Any, source: str, answers: list[str]) -> None:
    """An adversarial engine: the same answers to everything."""
    engine = translator.engine(lambda text: answers)
    result = translator.translate(source, engine)
    assert _marks(result.translation) == _marks(source)
    given_numbers, numbers = _numbers(source), _numbers(result.translation)
    assert {number: numbers[number] for number in given_numbers} == given_numbers
    assert len(engine.rounds) <= 2


@given(_SOURCES, _ANSWERS)
def test_alternatives_keep_all_too(translator: Any, source: str, answers: list[str]) -> None:
    result = translator.translate(source, translator.engine(lambda text: answers), beam_size=4, alternatives=3)
    for text in result.alternatives or []:
        assert _marks(text) == _marks(source)


_TAGS = st.sampled_from(
    ["<b>", "</b>", "<i>", "</i>", "<br>", "<img src=x>", "<code>x &amp; y</code>", "<p>", "</p>", "&nbsp;"]
)
_MARKUP = st.lists(st.one_of(_WORDS, _TAGS, st.sampled_from(["5", "{name}", "%s"])), max_size=12).map(" ".join)


@given(_MARKUP, st.lists(_SIGNS, max_size=2))
def test_all_tags_are_kept_whatever_the_engine_writes(translator: Any, markup: str, answers: list[str]) -> None:
    result = translator.translate(markup, translator.engine(lambda text: answers), format="html")
    tag = re.compile(r"<[a-z/][^>]*>")
    assert Counter(tag.findall(result.translation)) == Counter(tag.findall(markup))
    texts = [html.unescape(tag.sub("\n", own)) for own in (markup, result.translation)]
    assert _marks(texts[1]) == _marks(texts[0])


def test_the_best_that_keeps_all_is_taken(translator: Any) -> None:
    engine = translator.engine(
        lambda text: ["Du hast neue.", "Du hast 4 neue, 3.", "Du hast 3 neue.", "3 neue hast du."]
    )
    result = translator.translate("You have 3 new ones.", engine, beam_size=4, alternatives=1)
    assert (result.translation, result.alternatives) == ("Du hast 3 neue.", ["3 neue hast du."])
    assert len(engine.rounds) == 1


def test_a_placeholder_has_a_stand_in_and_is_required(translator: Any) -> None:
    engine = translator.engine(lambda text: ["Hallo, Tom!"])
    assert translator.translate("Hello, {name}!", engine).translation == "Hallo, {name}!"
    work = engine.rounds[-1][0]
    assert engine.read(work) == "Hello, Tom!"
    tokenizer = translator.service.tokenizer
    assert work.parameters.required == ((tuple(tokenizer.encode("Tom")), tuple(tokenizer.encode_continuation("Tom"))),)


def test_tags_stay_around_a_placeholder_wherever_the_decoder_looked(translator: Any) -> None:
    """The tag went with the token that had looked at the stand-in most, a comma."""
    engine = translator.engine(lambda text: ["Du hast Post, Tom"])
    result = translator.translate("Hello <b>{name}</b>, you have mail", engine, format="html")
    assert result.translation == "Du hast Post, <b>{name}</b>"


def test_a_stand_in_is_no_word_of_the_source(translator: Any) -> None:
    engine = translator.engine(lambda text: ["Tom sah Ken."])
    assert translator.translate("Tom saw {name}.", engine).translation == "Tom sah {name}."


def test_placeholders_that_touch_are_one(translator: Any) -> None:
    engine = translator.engine(lambda text: ["Tom ist hier."])
    assert translator.translate("{name}{name} is here.", engine).translation == "{name}{name} ist hier."


@pytest.mark.parametrize(
    "text", ["1, 2, 3", "{a} {b}", "https://example.org", "12:30", "- 5\n- {x}\n", "\u200f5\u200e"]
)
def test_without_words_the_engine_is_not_asked(translator: Any, text: str) -> None:
    engine = translator.engine(lambda text: ["wrong"])
    assert translator.translate(text, engine).translation == text
    assert engine.rounds == [[]]


def test_for_want_of_a_candidate_the_parts_are_joined(translator: Any) -> None:
    engine = translator.engine(
        lambda text: [{"Hello": "Hallo", "you have": "du hast", "messages": "Post"}.get(text, "Nein")]
    )
    result = translator.translate("Hello {name}, you have 3 messages!", engine)
    assert result.translation == "Hallo {name}, du hast 3 Post!"
    assert len(engine.rounds) == 2


def test_numbers_are_hidden_before_the_parts_are_joined(translator: Any) -> None:
    engine = translator.engine(lambda text: ["Er kam mit Tom." if "Tom" in text else "Er kam 4."])
    assert translator.translate("He came in 1999.", engine).translation == "Er kam mit 1999."


def test_numbers_may_come_for_words(translator: Any) -> None:
    engine = translator.engine(lambda text: ["Um 7 Uhr."])
    assert translator.translate("At seven.", engine).translation == "Um 7 Uhr."
    result = translator.translate("At seven.\nNumber 7", engine)
    assert Counter(re.findall(r"\d+", result.translation)) == Counter(["7"])  # that of the source, and no other


def test_numbers_of_two_sentences_stay_apart(translator: Any) -> None:
    """What was "4 101" for a moment was taken for one number, and the whole line was left untranslated."""
    engine = translator.engine(lambda text: ["Zug bis 4" if "4" in text else "101 auch"])
    result = translator.translate("At 4 a train runs. Train 101 does too.", engine)
    assert result.translation == "Zug bis 4. 101 auch."
    assert result.warning is None


def test_an_answer_with_nothing_in_it_is_no_failure(translator: Any) -> None:
    engine = translator.engine(lambda text: [] if "7" in text else ["und"])
    result = translator.translate("At 5 or 7 we go", engine)
    assert "5" in result.translation
    assert "7" in result.translation


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("Look at https://a.example/b_(c)", "https://a.example/b_(c)"),
        ("Look (https://a.example/b)", "https://a.example/b"),
        ("I ❤ it 😀", "❤"),
        ("One\tTwo", "\t"),
    ],
)
def test_signs_and_addresses_are_kept(translator: Any, text: str, kept: str) -> None:
    engine = translator.engine(
        lambda source: [" ".join(word for word in ("Schau", "Tom") if word in f"Schau {source}")]
    )
    assert kept in translator.translate(text, engine).translation


@pytest.mark.parametrize("space", ["\u00a0", "\u2009", "\u202f", "\u3000", "\x1f"])
@pytest.mark.parametrize("text_format", ["text", "html"])
def test_any_white_space_is_read_as_a_space(translator: Any, space: str, text_format: str) -> None:
    """In the format text it reached the model as bytes, and "two dogs" became "zwei"."""
    engine = translator.engine(lambda text: ["Ich habe zwei Hunde."])
    translator.translate(f"I have two{space}dogs.", engine, format=text_format)
    assert engine.read(engine.rounds[0][0]) == "I have two dogs."


@pytest.mark.parametrize("unread", ["\u00ad", "\ufeff", "\u200b", "\u200c", "\u200d", "\u2060"])
@pytest.mark.parametrize("text_format", ["text", "html"])
def test_what_nobody_sees_is_not_read(translator: Any, unread: str, text_format: str) -> None:
    engine = translator.engine(lambda text: ["Das Hotel."])
    text = f"{unread}The ho{unread}tel.{unread}"
    result = translator.translate(text, engine, format=text_format, explain=True)
    assert engine.read(engine.rounds[0][0]) == "The hotel."
    assert result.translation == f"{unread}Das Hotel.{unread}"
    assert "".join(result.alignment[0].source) == f"Theho{unread}tel."


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_alignments_hold_the_source_as_it_is(translator: Any, form: Literal["NFC", "NFD"]) -> None:
    """Those of decomposed text told of other characters than the tokens' own."""
    words = [unicodedata.normalize(form, word) for word in ("\u00fcber", "\u00c4pfel", "und", "\ud55c\uae00", "here")]
    result = translator.translate("\u00a0 ".join(words), translator.engine(lambda text: ["about"]), explain=True)
    (alignment,) = result.alignment
    assert "".join(alignment.source) == "".join(words)
    assert alignment.source[-1] == words[-1]


def test_a_sentence_without_letters_stays_as_it_is(translator: Any) -> None:
    engine = translator.engine(lambda text: ["Hallo."])
    assert translator.translate("Hello there. ?! ... Hello.", engine).translation == "Hallo. ?! ... Hallo."


@pytest.mark.parametrize("text", ["5", "", "?!", "12:30 - 13:00", "5. ?! 7"])
@pytest.mark.parametrize("text_format", ["text", "html"])
def test_a_text_without_letters_is_its_own_translation(translator: Any, text: str, text_format: str) -> None:
    """Its reply warned of poor results, as the service was not trained to translate 'unknown'."""
    engine = translator.engine(lambda text: ["Nein"])
    result = translator.translate(text, engine, source="auto", format=text_format, rerank=1.0)
    assert (result.translation, result.source, result.warning) == (text, "unknown", None)
    assert engine.rounds == [[]]


def test_layout_is_kept(translator: Any) -> None:
    source = "# Title\r\n\r\n  - one thing. Another.  \n\t2) two\u2028> said\n```\nx = 1\n```\n"
    result = translator.translate(source, translator.engine(lambda text: ["Wort."]))
    assert result.translation == "# Wort.\r\n\r\n  - Wort. Wort.  \n\t2) Wort.\u2028> Wort.\n```\nx = 1\n```\n"


def test_one_round_for_a_long_text(translator: Any) -> None:
    engine = translator.engine(lambda text: ["Ja."])
    result = translator.translate("Yes. No.\n" * 50, engine)
    assert result.translation == "Ja. Ja.\n" * 50
    assert [len(works) for works in engine.rounds] == [100]


@pytest.mark.parametrize(("reason", "words"), [("length", "longest"), ("loop", "repeated itself")])
def test_a_stopped_translation_is_warned_of(translator: Any, reason: str, words: str) -> None:
    result = translator.translate("Hello there.", translator.engine(lambda text: ["Hallo."], reason))
    assert words in (result.warning or "")


def test_repetitions_of_the_source_are_allowed(translator: Any) -> None:
    engine = translator.engine(lambda text: ["Ja."])
    translator.translate("No, no, no, no, no, no, no, no, no!", engine)
    translator.translate("Hello.", engine)
    many, few = (works[0].parameters.max_repeats for works in engine.rounds)
    assert many > few > 0


@pytest.mark.parametrize(
    ("text", "pair", "avoid"),
    [("Bring your laptop.", "en-de", "hangul"), ("The word 사랑 is Korean.", "en-de", ""), ("Hello.", "en-ko", "")],
)
def test_german_and_english_are_kept_free_of_korean_letters(translator: Any, text: str, pair: str, avoid: str) -> None:
    """Of 1,355 German translations 25 once went on in Hangul in the middle of a word."""
    source, target = pair.split("-")
    for format in ("text", "plain"):
        plan = translator.service.plan(text, TranslationOptions(source, target, format=format))
        assert [work.parameters.avoid for work in plan.works] == [avoid]


def test_plain_searches_are_as_they_were(translator: Any) -> None:
    """Evaluation reads a text as it is, whatever is in it."""
    plan = translator.service.plan("- I saw {name} 3 times.", TranslationOptions("en", "de", format="plain"))
    (work,) = plan.works
    assert translator.service.tokenizer.decode(work.ids) == "- I saw {name} 3 times."
    assert (work.parameters.required, work.parameters.max_repeats, work.return_attention) == ((), 0, False)


def test_explained(translator: Any) -> None:
    result = translator.translate("See {name} now. 5", translator.engine(lambda text: ["Sieh Tom an."]), explain=True)
    first, second = result.alignment
    assert first.source[:2] == ["See", "{name}"]
    assert "{name}" in first.target
    assert len(first.weights) == len(first.target)
    assert all(len(row) == len(first.source) for row in first.weights)
    assert (second.source, second.target, second.weights) == (["5"], ["5"], [[1.0]])


# The checks by themselves


def _expected(*texts: str) -> Expected:
    found = [(text, find_protected(text)[0].kind) for text in texts]
    return Expected.of([Fixed(0, len(text), text, kind) for text, kind in found])


@pytest.mark.parametrize(
    ("given", "text", "kept"),
    [
        (["5"], "€5", True),
        (["5"], "5 5", False),
        (["5"], "15", False),
        (["5", "3"], "5.3", False),
        (["50 %"], "50%", False),
        (["{x}"], "${x}", False),
        (["{x}"], "{x} %s", False),
        (["{x}", "{x}"], "{x}{x}", True),
        (["%s"], "%s 7", False),
    ],
)
def test_expected(given: list[str], text: str, kept: bool) -> None:
    assert _expected(*given).is_kept_by(text) == kept


def test_other_numbers_may_be_allowed() -> None:
    assert _expected("5").is_kept_by("5 um 7", may_add_numbers=True)
    assert not _expected("5").is_kept_by("5 um 5", may_add_numbers=True)


@given(_SIGNS)
def test_cleaned_text_is_clean(text: str) -> None:
    assert not find_protected(without_protected(text))
    assert not find_protected(without_signs(text))
    assert is_clean(without_protected(text, frozenset({"5"})), frozenset({"5"}))


def test_a_long_list_is_translated_in_parts(translator: Any) -> None:
    """As one sentence, with 30,000 placeholders, it took two minutes."""
    engine = translator.engine(lambda text: ["wrong"])
    source = "{a} and " * 100 + "so on"
    result = translator.translate(source, engine)
    assert result.translation.count("{a}") == 100
    assert len(engine.rounds[0]) == 4


@pytest.mark.parametrize("text", [" ".join(map(str, range(30_000))), "\n".join(map(str, range(30_000)))])
def test_many_numbers_take_linear_time(translator: Any, text: str) -> None:
    """They took the square of their number: seconds on the event loop, or a quarter of a minute of planning."""
    began = time.process_time()
    assert translator.translate(text, translator.engine(lambda source: [])).translation == text
    assert time.process_time() - began < 10


@pytest.mark.parametrize(("words", "attends"), [(100, True), (400, False)])
def test_tags_of_a_long_sentence_are_placed_without_attention(translator: Any, words: int, attends: bool) -> None:
    text = "<b>house</b> " + "house " * words + "."
    engine = translator.engine(lambda source: ["Haus " * words + "Haus ."])
    translated = translator.translate(text, engine, format="html").translation
    assert engine.rounds[0][0].return_attention is attends
    assert (translated.count("<b>"), translated.count("</b>")) == (1, 1)
    assert translated.count("Haus") == words + 1


def test_a_sentence_that_is_too_long_to_be_explained_says_how_long_it_is(translator: Any) -> None:
    text = "house " * 300
    num_tokens = len(translator.service.tokenizer.encode(text.strip())) + 1
    with pytest.raises(InvalidInput, match=f"a sentence has {num_tokens} tokens; at most 256 can be explained"):
        translator.translate(text, translator.engine(lambda source: []), explain=True)
