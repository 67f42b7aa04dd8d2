"""Other pieces, the same text."""

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rondo_tokenizers.resegmentation import Resegmenter
from rondo_tokenizers.vocabulary import Tokenizer

TEXTS = [
    "야 무선헤드폰이랑 유선헤드폰 중에 어떤건지 확인해봐",
    "Which brand sells Dutch coffee at a more expensive price? 😀 ok",
    "  zwei  Leerzeichen, ▁ und \0 ",
]


def _ids(tokenizer: Tokenizer, text: str) -> numpy.ndarray:
    return numpy.array([tokenizer.target_ids["de"], *tokenizer.encode(text), tokenizer.end_id], dtype=numpy.int32)


@given(text=st.sampled_from(TEXTS) | st.text(max_size=30), seed=st.integers(0, 1000))
def test_the_text_and_the_control_symbols_stay(shipped: Tokenizer, text: str, seed: int) -> None:
    ids = _ids(shipped, text)
    drawn = Resegmenter(shipped, 0.2)(ids, numpy.random.default_rng(seed))
    assert drawn.dtype == ids.dtype
    assert shipped.decode(drawn) == text
    assert (drawn[0], drawn[-1]) == (ids[0], ids[-1])


def test_draws_differ_and_are_repeatable(shipped: Tokenizer) -> None:
    ids = _ids(shipped, TEXTS[0])
    draw = Resegmenter(shipped, 0.1)
    drawn = {draw(ids, numpy.random.default_rng(seed)).tobytes() for seed in range(20)}
    assert len(drawn) > 10
    again = Resegmenter(shipped, 0.1)(ids, numpy.random.default_rng(7))
    assert (again == draw(ids, numpy.random.default_rng(7))).all()


def test_a_word_is_drawn_by_its_smoothed_likelihood(shipped: Tokenizer) -> None:
    word = shipped.encode("coffee")
    scored = shipped.segmentations(word, 3)
    assert len(scored) == 3
    assert scored[0][0] == word
    likelihoods = numpy.exp(0.5 * numpy.array([score for _, score in scored]))
    draw, rng, count = Resegmenter(shipped, 0.5, 3), numpy.random.default_rng(1), 4000
    drawn = [tuple(draw(numpy.array(word, dtype=numpy.int32), rng).tolist()) for _ in range(count)]
    for (ids, _), expected in zip(scored, likelihoods / likelihoods.sum(), strict=True):
        assert drawn.count(tuple(ids)) / count == pytest.approx(expected, abs=0.03)


def test_the_exponent_decides_how_far_it_strays(shipped: Tokenizer) -> None:
    ids = _ids(shipped, TEXTS[1])
    strict, loose = Resegmenter(shipped, 50.0), Resegmenter(shipped, 0.0)
    assert (strict(ids, numpy.random.default_rng(1)) == ids).all()
    assert len(loose(ids, numpy.random.default_rng(1))) > len(ids)


@pytest.mark.parametrize(("smoothing", "count"), [(-0.1, 8), (0.1, 0)])
def test_impossible_settings(shipped: Tokenizer, smoothing: float, count: int) -> None:
    with pytest.raises(ValueError, match="smoothing"):
        Resegmenter(shipped, smoothing, count)
