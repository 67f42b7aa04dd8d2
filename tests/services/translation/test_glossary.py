"""Terms are found as whole words, the longest first, and come into a translation as often as they are in its source."""

import re
import time
import unicodedata
from itertools import pairwise
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rondo_services.errors import InvalidInput
from rondo_services.translation.glossary import Glossary
from rondo_services.translation.schema import TranslateRequest


def _found(text: str, terms: dict[str, str], source: str = "en", taken: tuple[tuple[int, int], ...] = ()) -> list[str]:
    return [f"{text[own.begin : own.end]}={own.target}" for own in Glossary(terms, source).find(text, taken)]


@pytest.mark.parametrize(
    ("text", "terms", "expected"),
    [
        ("the station, stations", {"station": "Halt"}, ["station=Halt"]),
        ("main station station", {"station": "Halt", "main station": "Hbf"}, ["main station=Hbf", "station=Halt"]),
        ("Station station", {"station": "Halt"}, ["Station=Halt", "station=Halt"]),
        ("Polish polish", {"Polish": "polnisch", "polish": "Politur"}, ["Polish=polnisch", "polish=Politur"]),
        ("STRASSE", {"Straße": "street"}, []),
        ("C++ and C", {"C++": "c plus", "C": "c"}, ["C++=c plus", "C=c"]),
        ("nothing", {"station": "Halt"}, []),
    ],
)
def test_terms(text: str, terms: dict[str, str], expected: list[str]) -> None:
    assert _found(text, terms) == expected


def test_particles_may_follow_in_korean() -> None:
    assert _found("영화를 보고 영화는 좋다", {"영화": "film"}, "ko") == ["영화=film", "영화=film"]
    assert _found("새영화", {"영화": "film"}, "ko") == []
    assert _found("films", {"film": "Film"}, "de") == []


@pytest.mark.parametrize(
    ("text", "terms", "expected"),
    [
        ("개발자는 개를 개인적으로 좋아한다. 개!", {"개": "dog"}, 2),
        ("영화들에서는 영화까지도 영화입니다", {"영화": "film"}, 3),
        ("가을에 가은 가", {"가": "edge"}, 1),
        ("AI는 AI", {"AI": "KI"}, 2),
        ("영화" + "는" * 10_000, {"영화": "film"}, 0),
    ],
)
def test_nothing_but_particles_may_follow_in_korean(text: str, terms: dict[str, str], expected: int) -> None:
    """개 ("dog") was found in 개발자 ("developer"), which became a dog."""
    assert len(_found(text, terms, "ko")) == expected


@pytest.mark.parametrize(
    ("term", "endings"),
    [
        ("학생", "인 일 임 이다 이면 이라면 이므로 이니까 이죠 이에요 이었어요 이었던 이어서 이라서"),
        (
            "학생",
            "이거나 이네요 이군요 이야 이며 이든지 임을 들인 일지도 이기 이신 같이 대로 마다 씩 째 쯤 께 하고 들이었던",
        ),
        ("회사", "인 일 임 다 면 라면 므로 니까 죠 예요 였어요 였던 여서 라서 거나 네요 군요 야 며 든지 이면 이었던"),
        ("AI", "이면 면 였던 이었던 라면"),
        ("개", "입니다 였다 라면 이면 들인"),
    ],
)
def test_forms_of_to_be_may_follow_in_korean(term: str, endings: str) -> None:
    """Most were not known: the term was passed over."""
    missed = [own for own in endings.split() if not _found(f"그 {term}{own} 좋다", {term: "x"}, "ko")]
    assert missed == []


@pytest.mark.parametrize(
    ("text", "term"),
    [("공부해요", "공부"), ("뭔지 알려줘", "알려"), ("준비됐으면", "준비"), ("예약하고", "예약"), ("추천받은", "추천")],
)
def test_a_term_may_be_a_verb_in_korean(text: str, term: str) -> None:
    assert len(_found(text, {term: "x"}, "ko")) == 1


@pytest.mark.parametrize(
    ("text", "term"),
    [
        ("정류장면 정류장였던 정류장라면 정류장며", "정류장"),
        ("책임", "책"),
        ("가면 가고", "가"),
        ("반대로", "반"),
        ("영화관", "영화"),
        ("전하다", "전"),
    ],
)
def test_forms_that_do_not_fit_may_not_follow_in_korean(text: str, term: str) -> None:
    assert _found(text, {term: "x"}, "ko") == []


def test_of_korean_terms_the_longest_that_is_a_word_is_found() -> None:
    assert _found("사과나무도 사과나", {"사과나무": "apple tree", "사과나": "x", "사과": "apple"}, "ko") == [
        "사과나무=apple tree",
        "사과나=x",
    ]
    assert _found("사과에게", {"사과에": "x", "사과": "apple"}, "ko") == ["사과=apple"]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Das Cafe\u0301!", "Cafe\u0301"),
        ("Ein neues  Ca\u00adf\u00e9", "neues  Ca\u00adf\u00e9"),
        ("Ein neues\nCaf\u00e9.", "neues\nCaf\u00e9"),
        ("Ein neues\u00a0\u200bCaf\u00e9.", "neues\u00a0\u200bCaf\u00e9"),
    ],
)
@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_a_term_is_found_however_it_is_written(text: str, found: str, form: Literal["NFC", "NFD"]) -> None:
    """One that was decomposed, had two spaces or went across a line's end in HTML was passed over."""
    terms = {unicodedata.normalize(form, term): "x" for term in ("Caf\u00e9", "neues \tCaf\u00e9")}
    assert _found(text, terms, "de") == [f"{found}=x"]


def test_particles_may_follow_decomposed_terms() -> None:
    text, term = (unicodedata.normalize("NFD", own) for own in ("그 영화를 보았다", "영화"))
    assert _found(text, {"영화": "film"}, "ko") == [f"{term}=film"]


def test_what_is_taken_stays_free() -> None:
    assert _found("a b a", {"a": "x"}, taken=((0, 1),)) == ["a=x"]
    assert _found("a b", {"a b": "x"}, taken=((2, 3),)) == []


@given(st.text(alphabet="ab AB"), st.dictionaries(st.text(alphabet="abAB", min_size=1), st.just("x"), min_size=1))
def test_terms_do_not_overlap(text: str, terms: dict[str, str]) -> None:
    found = Glossary(terms, "en").find(text, ())
    assert [own.begin for own in found] == sorted(own.begin for own in found)
    assert all(one.end <= other.begin for one, other in pairwise(found))


@given(
    st.text(alphabet="ab. "), st.lists(st.text(alphabet="ab.", min_size=1), min_size=1), st.sampled_from(["en", "ko"])
)
def test_the_longest_at_a_place_is_found(text: str, terms: list[str], source: str) -> None:
    longest_first = "|".join(map(re.escape, sorted(terms, key=len, reverse=True)))
    expected = [match.span() for match in re.finditer(rf"(?<!\w)(?:{longest_first})(?!\w)", text)]
    found = Glossary(dict.fromkeys(terms, "x"), source).find(text, ())
    assert [(own.begin, own.end) for own in found] == expected


def test_many_alike_terms_take_linear_time() -> None:
    """All 100 were compared, one after the other, at each place."""
    terms = {"." * 198 + chr(0x4E00 + number): "x" for number in range(100)}
    began = time.perf_counter()
    assert Glossary(terms, "en").find("." * 200_000, ()) == []
    assert time.perf_counter() - began < 10


@pytest.mark.parametrize("term", ["\ud800", "\ufffc", "\x1c", "\x85 ", "\ufeff"])
def test_what_is_no_text_is_refused(term: str) -> None:
    with pytest.raises(InvalidInput, match="glossary"):
        Glossary({"a": term}, "en")
    with pytest.raises(InvalidInput, match="glossary"):
        Glossary({term: "a"}, "en")


@pytest.mark.parametrize("glossary", [{"": "x"}, {"x": "  "}, {"x": "y" * 201}, {f"{n}": "x" for n in range(101)}])
def test_the_schema_refuses(glossary: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="glossary"):
        TranslateRequest(text="a", target="de", glossary=glossary)


def test_a_translation_without_its_term_is_not_taken(translator: Any) -> None:
    engine = translator.engine(lambda text: ["Am Bahnhof.", "Im Haltestellenhaus.", "Am GeHalt.", "Am Halt."])
    glossary = {"station": "Halt"}
    assert translator.translate("At the station.", engine, glossary=glossary).translation == "Am Halt."
    (work,) = engine.rounds[0]
    assert engine.read(work) == "At the Halt."
    tokenizer = translator.service.tokenizer
    assert tuple(tokenizer.encode("Halt")) in work.parameters.required[0]


def test_a_term_twice_comes_twice(translator: Any) -> None:
    engine = translator.engine(lambda text: ["Nur Halt."])
    result = translator.translate("Station by station!", engine, glossary={"station": "Halt"})
    assert result.translation.count("Halt") >= 2


def test_protected_parts_go_before_terms(translator: Any) -> None:
    engine = translator.engine(lambda text: ["Ich bin Tom."])
    assert translator.translate("I am {name}.", engine, glossary={"name": "x"}).translation == "Ich bin {name}."


def test_a_term_may_hold_a_number(translator: Any) -> None:
    engine = translator.engine(lambda text: ["Das ist Kiste 3000."])
    assert translator.translate("This is the box.", engine, glossary={"box": "Kiste 3000"}).translation == (
        "Das ist Kiste 3000."
    )


def test_a_target_that_is_a_stand_in_s_name_is_no_stand_in(translator: Any) -> None:
    """Tom stood for the placeholder and was the term too, so that nothing that was written held both."""
    engine = translator.engine(lambda text: ["Hallo Ken, hier ist Tom."])
    result = translator.translate("Hello {name}, here is the boss.", engine, glossary={"the boss": "Tom"})
    assert engine.read(engine.rounds[0][0]) == "Hello Ken, here is Tom."
    assert result.translation == "Hallo {name}, hier ist Tom."


def test_a_term_with_a_break_in_html(translator: Any) -> None:
    engine = translator.engine(lambda text: [text])
    result = translator.translate("<p>The main\n station.</p>", engine, format="html", glossary={"main station": "Hbf"})
    assert result.translation == "<p>The Hbf.</p>"
