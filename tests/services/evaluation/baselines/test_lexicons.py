import numpy
import pytest

from rondo_services.evaluation.baselines.lexicons import LEXICONS, best_threshold, is_installed, polarity_of


@pytest.mark.parametrize("lexicon", LEXICONS)
def test_polarity(lexicon: str) -> None:
    polarity = polarity_of(lexicon)
    assert polarity("A great, wonderful film.") > 0.3
    assert polarity("A terrible, boring film.") < -0.3
    assert polarity("") == 0


def test_an_unknown_lexicon_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown lexicon 'afinn'; choose among vader, textblob"):
        polarity_of("afinn")


def test_whether_a_library_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    assert is_installed("vader")
    monkeypatch.setitem(LEXICONS, "vader", "no_such_library")
    assert not is_installed("vader")


@pytest.mark.parametrize(
    ("polarities", "right", "threshold"),
    [
        ([-0.5, 0.1, 0.3, 0.9], [False, False, True, True], 0.2),
        ([0.0, 0.0, 0.0], [True, True, False], 0.0),  # all are positive
        ([-0.2, 0.4], [False, False], 1.4),  # none is
        ([-0.4, 0.6], [True, True], -0.4),
        ([-0.9, -0.7, -0.5, 0.5], [False, True, False, True], 0.0),  # of two that are equally good
    ],
)
def test_the_threshold_is_where_most_are_right(polarities: list[float], right: list[bool], threshold: float) -> None:
    assert best_threshold(polarities, numpy.array(right)) == pytest.approx(threshold)


def test_no_threshold_is_better() -> None:
    draw = numpy.random.default_rng(1)
    polarities, right = draw.integers(-5, 6, 60) / 5, draw.random(60) < 0.6
    found = ((polarities >= best_threshold(polarities.tolist(), right)) == right).sum()
    assert found == max(((polarities >= own) == right).sum() for own in numpy.linspace(-1.1, 1.1, 221))
