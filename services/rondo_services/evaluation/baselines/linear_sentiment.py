"""Classes of texts by linear models over n-grams: TF-IDF with logistic regression, and NB-SVM.

Of more than two classes each has a model of its own against all others, and the surest one decides.

English and German count words and pairs of words; Korean counts characters, one to four within an eojeol and its
borders, as its words are inflected too much. An n-gram counts that is in two training texts or more.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy
from numpy.typing import NDArray

M = TypeVar("M")
Flags = NDArray[numpy.bool_]
Floats = NDArray[numpy.float64]
Labels = NDArray[numpy.int64]

_LEAST_TEXTS = 2
_LOGISTIC_STRENGTHS = (1.0, 4.0, 16.0)
_SVM_STRENGTHS = (0.01, 0.1, 1.0)
_INTERPOLATIONS = (0.25, 0.5, 1.0)
_NB_SMOOTHING = 1.0
_TOLERANCE = 0.01
"""liblinear's own default in the primal, which needs no random order; scikit-learn's is stricter and slower."""


@dataclass(frozen=True, slots=True)
class Counted:
    """n-grams of training texts, of those that choose hyperparameters, and of those that are measured.

    Attributes:
        train, dev, test: (texts, n-grams), sparse counts.
        train_labels, dev_labels: (texts,), from 0 on.
        description: of the n-grams, for a signature.
    """

    train: Any
    train_labels: Labels
    dev: Any
    dev_labels: Labels
    test: Any
    description: str


@dataclass(frozen=True, slots=True)
class Decided:
    """What a model says of the measured texts.

    Attributes:
        labels: (texts,), what it takes them for.
        probabilities: (texts, labels); None for a model that has none.
        chosen: hyperparameters by name, those that are right most often on the dev texts.
    """

    labels: Labels
    probabilities: Floats | None
    chosen: dict[str, float]


def counted(
    train: tuple[Sequence[str], Labels], dev: tuple[Sequence[str], Labels], test: Sequence[str], language: str
) -> Counted:
    """Count n-grams that the training texts have."""
    from sklearn.feature_extraction.text import CountVectorizer

    if language == "ko":
        description = "char1-4-in-eojeol"
        options = {"analyzer": "char_wb", "ngram_range": (1, 4)}
    else:
        description = "word1-2"
        options = {"token_pattern": r"\w+(?:['’]\w+)*|[^\w\s]", "ngram_range": (1, 2)}
    vectorizer = CountVectorizer(min_df=_LEAST_TEXTS, dtype=numpy.float32, **options)
    known = vectorizer.fit_transform(train[0])
    dev_counts, test_counts = vectorizer.transform(dev[0]), vectorizer.transform(test)
    return Counted(known, train[1], dev_counts, dev[1], test_counts, f"{description}|min_df:{_LEAST_TEXTS}")


def tfidf_logistic_regression(texts: Counted) -> Decided:
    """Logistic regression over TF-IDF with logarithmic term frequency."""
    from sklearn.feature_extraction.text import TfidfTransformer
    from sklearn.linear_model import LogisticRegression
    from sklearn.multiclass import OneVsRestClassifier

    weighting = TfidfTransformer(sublinear_tf=True)
    train, dev = weighting.fit_transform(texts.train), weighting.transform(texts.dev)
    models = (
        (
            {"C": own},
            OneVsRestClassifier(LogisticRegression(C=own, solver="liblinear", tol=_TOLERANCE)).fit(
                train, texts.train_labels
            ),
        )
        for own in _LOGISTIC_STRENGTHS
    )
    chosen, model = _best(models, lambda own: own.predict(dev), texts.dev_labels)
    probabilities = model.predict_proba(weighting.transform(texts.test))
    return Decided(probabilities.argmax(axis=1), probabilities, chosen)


def nb_svm(texts: Counted) -> Decided:
    """Linear SVM over the log-count ratios of n-grams that occur, interpolated (Wang & Manning 2012).

    The weights are mixed with their mean magnitude, which is naive Bayes with one weight for all; 1 leaves the SVM.
    """
    train, dev, test = (_occurring(counts) for counts in (texts.train, texts.dev, texts.test))
    num_labels = int(texts.train_labels.max()) + 1
    positive = [texts.train_labels == label for label in (range(num_labels) if num_labels > 2 else [1])]
    ratios = [_log_count_ratios(train, own) for own in positive]
    chosen, models = _best(
        _svms([train.multiply(own).tocsr() for own in ratios], positive),
        lambda own: _surest(dev, ratios, own),
        texts.dev_labels,
    )
    return Decided(_surest(test, ratios, models), None, chosen)


_Linear = tuple[Floats, float]
"""Weights and intercept."""


def _svms(train: Sequence[Any], positive: Sequence[Flags]) -> Iterator[tuple[dict[str, float], list[_Linear]]]:
    """Hyperparameters, and a model of each class."""
    from sklearn.svm import LinearSVC

    for strength in _SVM_STRENGTHS:
        fitted = [
            LinearSVC(C=strength, dual=False, tol=_TOLERANCE).fit(counts, right)
            for counts, right in zip(train, positive, strict=True)
        ]
        for share in _INTERPOLATIONS:
            yield (
                {"C": strength, "beta": share},
                [
                    ((1 - share) * numpy.abs(own.coef_[0]).mean() + share * own.coef_[0], own.intercept_[0])
                    for own in fitted
                ],
            )


def _surest(binary: Any, ratios: Sequence[Floats], models: Sequence[_Linear]) -> Labels:
    """(texts,): the class whose model is surest; with one model, whether it is sure at all."""
    margins = numpy.stack(
        [binary @ (own * weights) + intercept for own, (weights, intercept) in zip(ratios, models, strict=True)], axis=1
    )
    labels: Labels = margins.argmax(axis=1) if len(models) > 1 else (margins[:, 0] > 0).astype(numpy.int64)
    return labels


def _occurring(counts: Any) -> Any:
    """1 for each n-gram that a text has."""
    binary = counts.copy()
    binary.data[:] = 1
    return binary


def _log_count_ratios(binary: Any, right: Flags) -> Floats:
    """(n-grams,): log of an n-gram's share of the counts of a class to that of all others'."""
    positive, negative = (_NB_SMOOTHING + numpy.asarray(binary[own].sum(axis=0)).ravel() for own in (right, ~right))
    ratios: Floats = numpy.log((positive / positive.sum()) / (negative / negative.sum())).astype(numpy.float64)
    return ratios


def _best(
    models: Iterable[tuple[dict[str, float], M]], decide: Callable[[M], Labels], right: Labels
) -> tuple[dict[str, float], M]:
    """The hyperparameters and the model that is right most often; of equals the first."""
    best: tuple[int, dict[str, float], M] | None = None
    for hyperparameters, model in models:
        num_right = int((decide(model) == right).sum())
        if best is None or num_right > best[0]:
            best = num_right, hyperparameters, model
    assert best is not None
    return best[1:]
