"""The compiled function against the library whose model it reads."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from py3langid.langid import MODEL_FILE, LanguageIdentifier

from rondo_tokenizers import languages
from rondo_tokenizers.languages import CANDIDATES, detect_language, identify_language
from rondo_tokenizers.native import scorer as module
from rondo_tokenizers.native.scorer import NativeScorer, native_scorer

TEXTS = (
    "The small red boat sails over the quiet lake this morning.",
    "Ein kleines rotes Boot fährt heute über den stillen See.",
    "작은 빨간 배가 조용한 호수 위를 지나간다.",
    "EIN BOOT IM HAFEN",
    "x",
    "",
    "aaaa " * 400,
    "Ça alors, où est le bateau de la petite fille ?",
    "e\u0301te\u0301",
    "\ud800 lone",
)


@pytest.fixture(scope="module")
def identifier() -> LanguageIdentifier:
    made = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    made.set_languages(list(CANDIDATES))
    return made


@pytest.fixture(scope="module")
def scorer(identifier: LanguageIdentifier) -> NativeScorer:
    made = native_scorer(identifier)
    if made is None:
        pytest.skip("not compiled here")
    return made


def _assert_same(scorer: NativeScorer, identifier: LanguageIdentifier, text: str) -> None:
    ranked = dict(identifier.rank(text))
    assert ranked.keys() == set(scorer.languages)
    expected = [ranked[language] for language in scorer.languages]
    np.testing.assert_allclose(scorer.probabilities(text), expected, atol=1e-4)


@pytest.mark.parametrize("text", TEXTS)
def test_it_says_what_the_library_says(scorer: NativeScorer, identifier: LanguageIdentifier, text: str) -> None:
    _assert_same(scorer, identifier, text)


@given(text=st.text(max_size=400))
def test_of_any_text(scorer: NativeScorer, identifier: LanguageIdentifier, text: str) -> None:
    _assert_same(scorer, identifier, text)


@pytest.mark.parametrize("size", [0, 40, 4000])
def test_a_broken_one_is_not_used(
    identifier: LanguageIdentifier,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    size: int,
) -> None:
    """It ended the process at the first text; of a library that is cut off the system may miss a page: a bus error."""
    broken = tmp_path / "_languages.so"
    broken.write_bytes(module._LIBRARY.read_bytes()[:size] if module._LIBRARY.exists() else b"\x7fELF"[:size])
    monkeypatch.setattr(module, "_LIBRARY", broken)
    assert native_scorer(identifier) is None
    assert "_languages.so can't be loaded and is not used" in caplog.text


def test_without_it_the_library_is_asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    texts = [text for text in TEXTS if "\ud800" not in text]
    expected = [detect_language(text) for text in texts]
    sure = identify_language(TEXTS[0]).probability
    monkeypatch.setattr(module, "_LIBRARY", tmp_path / "missing.so")
    languages._scorer.cache_clear()
    try:
        assert languages._scorer() is None
        assert [detect_language(text) for text in texts] == expected
        assert identify_language(TEXTS[0]).probability == pytest.approx(sure, abs=1e-4)
    finally:
        languages._scorer.cache_clear()
