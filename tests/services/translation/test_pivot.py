"""Languages that are no pair, with a translator that notes its way."""

import asyncio
from typing import Any

import pytest

from rondo_services.errors import InvalidInput, NotServed
from rondo_services.schema import as_list
from rondo_services.translation.pivot import needs_pivot, targets_of, translate_over_pivot
from rondo_services.translation.schema import TranslateRequest, TranslationResult

PAIRS = [("en", "de"), ("de", "en"), ("en", "ko")]


def result(text: str, request: TranslateRequest) -> TranslationResult:
    return TranslationResult(
        translation=f"{request.target}({text})",
        source=request.source,
        target=request.target,
        score=-1.0 if request.target == "en" else -0.5,
        quality=0.25 if request.target == "en" else 0.75,
        alternatives=["other"] if request.alternatives else None,
    )


async def translate(request: TranslateRequest) -> list[TranslationResult]:
    if request.source != "auto" and (request.source, request.target) not in PAIRS:
        raise NotServed("no such pair")
    return [result(text, request) for text in as_list(request.text)]


def ask(**fields: Any) -> list[TranslationResult]:
    request = TranslateRequest.model_validate(fields)
    return asyncio.run(translate_over_pivot(request, PAIRS, translate, ("en", "de", "ko")))


def test_targets() -> None:
    assert targets_of(PAIRS, "en") == ["de", "en", "ko"]
    assert targets_of(PAIRS, "de") == ["de", "en", "ko"]
    assert targets_of(PAIRS, "ko") == ["ko"]


def test_what_needs_the_pivot() -> None:
    needing = [(a, b) for a in ("en", "de", "ko") for b in ("en", "de", "ko") if needs_pivot(PAIRS, a, b)]
    assert needing == [("de", "ko")]


def test_a_pair_is_translated_at_once() -> None:
    (own,) = ask(text="Boot", source="de", target="en", alternatives=1)
    assert (own.translation, own.alternatives, own.warning) == ("en(Boot)", ["other"], None)


def test_over_the_pivot_there_is_a_warning() -> None:
    (own,) = ask(text="Boot", source="de", target="ko", alternatives=1)
    assert (own.translation, own.source, own.target, own.score) == ("ko(en(Boot))", "de", "ko", -1.0)
    assert (own.quality, own.alternatives) == (0.25, ["other"])
    assert own.warning == "no model was trained for de→ko, so it was translated over 'en'"


def test_each_text_goes_its_own_way() -> None:
    texts = ["Wo ist der Bahnhof?", "Where is the station?", "역이 어디에 있어요?"]
    results = ask(text=texts, target="ko")
    assert [own.translation for own in results] == [f"ko(en({texts[0]}))", f"ko({texts[1]})", texts[2]]
    assert [own.source for own in results] == ["de", "auto", "ko"]
    assert [own.warning is None for own in results] == [False, True, False]


@pytest.mark.parametrize("option", [{"glossary": {"Boot": "배"}}, {"explain": True}])
def test_what_the_pivot_cannot_do_is_refused(option: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput, match="over 'en', without a glossary or an alignment"):
        ask(text="Boot", source="de", target="ko", **option)


def test_the_same_language_is_left_as_it_is() -> None:
    (own,) = ask(text="Where?", source="en", target="en")
    assert (own.translation, own.warning) == ("Where?", "the text is already in 'en'")


def test_what_cannot_be_reached_is_the_translators_to_refuse() -> None:
    with pytest.raises(NotServed):
        ask(text="배", source="ko", target="de")
