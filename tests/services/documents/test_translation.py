"""Documents in portions, with a translator that writes capitals."""

import asyncio

import pytest

from rondo_services.documents.document import Passage
from rondo_services.documents.translation import language_of, translate_passages
from rondo_services.errors import InvalidInput
from rondo_services.schema import as_list
from rondo_services.translation.schema import TranslateRequest, TranslationResult

LIKELY = ("en", "de", "ko")


class Capitals:
    """Keeps the requests."""

    def __init__(self, warning: str | None = None) -> None:
        self.requests: list[TranslateRequest] = []
        self.warning = warning

    async def translate(self, request: TranslateRequest) -> list[TranslationResult]:
        self.requests.append(request)
        return [
            TranslationResult(
                translation=text.upper(), source=request.source, target=request.target, score=0.0, warning=self.warning
            )
            for text in as_list(request.text)
        ]


def test_passages_are_translated_in_portions() -> None:
    passages = [Passage("short"), *[Passage("x" * 1500)] * 3, *[Passage("few")] * 40, Passage("<b>x</b>", "html")]
    capitals, shares = Capitals("poor"), list[float]()
    translated = asyncio.run(translate_passages(passages, "en", "de", capitals.translate, shares.append))
    assert translated.texts == tuple(passage.text.upper() for passage in passages)
    assert translated.warnings == ("poor",)
    assert [len(request.text) for request in capitals.requests] == [2, 1, 32, 9, 1]
    assert [request.format for request in capitals.requests][-2:] == ["text", "html"]
    assert shares == sorted(shares)
    assert shares[-1] == 1


def test_nothing_to_translate() -> None:
    assert asyncio.run(translate_passages([], "en", "de", Capitals().translate)).texts == ()


def test_the_language_of_a_document() -> None:
    assert language_of([Passage("12"), Passage("Wo hast du die Schlüssel hingelegt?")], LIKELY) == "de"
    korean = Passage("<p title='This attribute is all in English, and it is long'>열쇠를 어디에 두었어요?</p>", "html")
    assert language_of([korean], LIKELY) == "ko"
    assert language_of([Passage("ok")], ["fr"]) == "fr"
    assert language_of([], LIKELY) == "unknown"
    with pytest.raises(InvalidInput, match="give it as source"):
        language_of([Passage("42")], LIKELY)
