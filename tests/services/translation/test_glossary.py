"""Terms are found as whole words, the longest first, and come into a translation as often as they are in its source."""

import re
import time
from itertools import pairwise
from typing import Any

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
    ending = "" if source == "ko" else r"(?!\w)"
    longest_first = "|".join(map(re.escape, sorted(terms, key=len, reverse=True)))
    expected = [match.span() for match in re.finditer(rf"(?<!\w)(?:{longest_first}){ending}", text)]
    found = Glossary(dict.fromkeys(terms, "x"), source).find(text, ())
    assert [(own.begin, own.end) for own in found] == expected


def test_many_alike_terms_take_linear_time() -> None:
    """All 100 were compared, one after the other, at each place."""
    terms = {"." * 198 + chr(0x4E00 + number): "x" for number in range(100)}
    began = time.perf_counter()
    assert Glossary(terms, "en").find("." * 200_000, ()) == []
    assert time.perf_counter() - began < 10


@pytest.mark.parametrize("term", ["\ud800", "\ufffc", "\x1c", "\x85 "])
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
