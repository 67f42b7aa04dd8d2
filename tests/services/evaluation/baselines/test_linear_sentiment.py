import numpy
import pytest

from rondo_services.evaluation.baselines.linear_sentiment import counted, nb_svm, tfidf_logistic_regression

GOOD, BAD = ["a great film", "such a great day"], ["a dull film", "such a dull day"]
TEXTS = [*GOOD, *BAD] * 3
RIGHT = numpy.array([1, 1, 0, 0] * 3)
MODELS = [tfidf_logistic_regression, nb_svm]


def _drawn(num: int, seed: int) -> tuple[list[str], numpy.ndarray]:
    """Texts of ten words, of which each is a little more frequent in one class; naive Bayes would be right of 96 %."""
    draw = numpy.random.default_rng(seed)
    right = draw.random(num) < 0.5
    words = draw.integers(0, 10, (num, 10)) + 10 * ((draw.random((num, 10)) < 0.75) == right[:, None])
    return [" ".join(f"word{word}" for word in own) for own in words], right.astype(int)


@pytest.mark.parametrize("model", MODELS)
def test_the_words_of_a_class_decide(model: type) -> None:
    decided = model(counted((TEXTS, RIGHT), (TEXTS, RIGHT), ["great!", "so dull", "a dull story", "great"], "en"))
    assert decided.labels.tolist() == [1, 0, 0, 1]


@pytest.mark.parametrize("model", MODELS)
def test_far_better_than_chance_on_texts_that_it_did_not_see(model: type) -> None:
    train, dev, (texts, right) = _drawn(2000, 1), _drawn(200, 2), _drawn(1000, 3)
    decided = model(counted(train, dev, texts, "en"))
    assert (decided.labels == right).mean() > 0.9


@pytest.mark.parametrize("model", MODELS)
def test_the_same_data_give_the_same_answers(model: type) -> None:
    texts = counted(_drawn(300, 1), _drawn(100, 2), _drawn(300, 3)[0], "en")
    first, second = model(texts), model(texts)
    assert first.labels.tolist() == second.labels.tolist()
    assert first.chosen == second.chosen


@pytest.mark.parametrize("model", MODELS)
def test_of_several_classes_the_surest_decides(model: type) -> None:
    texts = ["who wrote it", "who was it", "how many are there", "how many", "where is it", "where was she"] * 3
    labels = numpy.array([0, 0, 1, 1, 2, 2] * 3)
    asked = ["where is she", "who wrote them", "how many are they"]
    decided = model(counted((texts, labels), (texts, labels), asked, "en"))
    assert decided.labels.tolist() == [2, 0, 1]
    if decided.probabilities is not None:
        assert decided.probabilities.shape == (3, 3)
        assert decided.probabilities.sum(axis=1) == pytest.approx(1)


def test_negation_is_in_pairs_of_words() -> None:
    """Each word alone is in as many texts of either class."""
    texts, right = ["not good", "so good", "not bad", "so bad"] * 3, numpy.array([0, 1, 1, 0] * 3)
    decided = nb_svm(counted((texts, right), (texts, right), texts[:4], "en"))
    assert decided.labels.tolist() == right[:4].tolist()


def test_korean_is_known_by_parts_of_its_words() -> None:
    texts, right = ["재밌는 영화", "재밌다", "지루한 영화", "지루하다"] * 2, numpy.array([1, 1, 0, 0] * 2)
    train = (texts, right)
    ngrams = counted(train, train, ["재밌었어요", "지루했어요"], "ko")
    assert nb_svm(ngrams).labels.tolist() == [1, 0]
    assert ngrams.description == "char1-4-in-eojeol|min_df:2"
    english = counted(train, train, ["재밌었어요", "지루했어요"], "en")
    assert english.test.nnz == 0


def test_logistic_regression_has_probabilities_that_agree_with_its_answers() -> None:
    decided = tfidf_logistic_regression(counted((TEXTS, RIGHT), (TEXTS, RIGHT), ["great", "dull"], "en"))
    assert decided.probabilities is not None
    assert decided.probabilities[:, 1].tolist() == pytest.approx((1 - decided.probabilities[:, 0]).tolist())
    assert decided.probabilities[0, 1] > 0.5 > decided.probabilities[1, 1]
    assert nb_svm(counted((TEXTS, RIGHT), (TEXTS, RIGHT), ["great"], "en")).probabilities is None


def test_the_dev_texts_choose_the_hyperparameters() -> None:
    """Those with which most dev texts are right are other ones if every dev label is turned round."""
    train, (texts, right) = _drawn(100, 1), _drawn(500, 2)
    first, second = (nb_svm(counted(train, (texts, own), texts, "en")) for own in (right, 1 - right))
    assert first.chosen != second.chosen
    assert (first.labels == right).mean() > (second.labels == right).mean()
