from typing import Any
from unicodedata import normalize

import pytest
from sacrebleu.metrics.bleu import BLEU

from rondo_services.errors import InvalidInput
from rondo_services.evaluation import tokenized_bleu as module
from rondo_services.evaluation.tokenized_bleu import check_tokenizer, moses_words, tokenized_bleu


def line(translation: str, *references: str) -> dict[str, Any]:
    return {"text": "t", "translation": translation, "expected": list(references)}


def test_words_are_lowercased_and_cut_as_the_data_set_has_them() -> None:
    """Not escaped, hyphens kept."""
    assert moses_words("de")("Ein grün-weißer Ball, „hier“ & dort.") == 'ein grün-weißer ball , " hier " & dort .'
    assert moses_words("fr")("L'homme n'a qu'un « grand » chapeau, non\u00a0?") == (
        "l' homme n' a qu' un \" grand \" chapeau , non ?"
    )
    assert moses_words("en")("A man's hat isn't red.") == "a man 's hat isn 't red ."


def test_case_and_spacing_do_not_count() -> None:
    found = tokenized_bleu([line("ein Hund , der am See liegt .", "Ein Hund, der am See liegt.")], "de")
    assert found.score == pytest.approx(100)
    other = tokenized_bleu([line("ein Hund , der am See liegt .", "Ein Hund, der am Fluss liegt.")], "de")
    assert 10 < other.score < 90


def test_how_characters_are_composed_does_not_count() -> None:
    found = tokenized_bleu([line("eine schöne Übung für Bären", normalize("NFD", "eine schöne Übung für Bären"))], "de")
    assert found.score == pytest.approx(100)


def test_the_score_is_sacrebleus_of_the_words() -> None:
    translations = ["The dog's ball, a red one.", "Two men (in hats) ride.", "A very small boat."]
    references = [["the dog's red ball."], ["Two men in hats ride."], ["a small boat."]]
    words = moses_words("en")
    streams = [[words(own[0]) for own in references]]
    expected = BLEU(tokenize="none", force=True).corpus_score([words(own) for own in translations], streams)
    found = tokenized_bleu([line(own, *refs) for own, refs in zip(translations, references, strict=True)], "en")
    assert found.score == pytest.approx(expected.score)
    assert found.interval is None  # of three texts
    assert found.signature.startswith("nrefs:1|case:mixed|eff:no|tok:none|smooth:exp|version:")
    assert "|words:lowercased-normalized-moses.en-sacremoses." in found.signature


def test_the_interval_holds_the_score() -> None:
    lines = [
        line(f"a dog number {n} runs here", f"a dog number {n} runs {'here' if n % 3 else 'fast'}") for n in range(40)
    ]
    found = tokenized_bleu(lines, "en", num_resamples=200)
    assert found.interval is not None
    low, high = found.interval
    assert low < found.score < high
    assert tokenized_bleu(lines, "en", num_resamples=200).interval == found.interval


def test_french_elisions_are_words_of_their_own() -> None:
    """So that a wrong noun does not make its article wrong, too."""
    found = tokenized_bleu([line("L'homme court dans la rue.", "L'enfant court dans la rue.")], "fr")
    expected = BLEU(tokenize="none", force=True).corpus_score(
        ["l' homme court dans la rue ."], [["l' enfant court dans la rue ."]]
    )
    assert found.score == pytest.approx(expected.score)
    assert "|words:lowercased-normalized-moses.fr-sacremoses." in found.signature


def test_texts_without_a_reference_do_not_count() -> None:
    whole = line("a dog runs on the grass", "a dog runs on the street")
    assert tokenized_bleu([whole, line("so so so so")], "en") == tokenized_bleu([whole], "en")
    with pytest.raises(InvalidInput, match="no text has a reference"):
        tokenized_bleu([line("so so so so")], "en")


def test_a_language_without_rules_is_refused() -> None:
    with pytest.raises(InvalidInput, match="tokenized BLEU is of en, de or fr, not of 'ko'"):
        check_tokenizer("ko")


def test_without_the_library_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    with pytest.raises(InvalidInput, match=r"rondo-nlp\[moses\]"):
        check_tokenizer("de")
