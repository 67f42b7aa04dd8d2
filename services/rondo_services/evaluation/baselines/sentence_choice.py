"""The sentence of a text that says most, by a logistic regression over its n-grams, place, length and centrality.

It learns from the sentences of training texts: right is the one with the best ROUGE-1 against the text's summary.
"""

from collections.abc import Sequence
from typing import Any

import numpy
from numpy.typing import NDArray

from ...datasets.examples import Pair
from ...summarization.standing import standing_of
from ..stemmed_rouge import StemmedScorer
from .summaries import sentences_of

STRENGTH = 0.03
"""Inverse of the penalty, as was best on dev of SciTLDR."""
_WORD = r"(?u)\b\w+\b|[:,]"


def chosen_sentences(texts: Sequence[str], train: Sequence[Pair]) -> list[str]:
    """Of each text the likeliest sentence, the first of equally likely ones."""
    from scipy.sparse import hstack
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.linear_model import LogisticRegression

    ngrams = CountVectorizer(ngram_range=(1, 3), min_df=5, binary=True, token_pattern=_WORD)
    known = [sentences_of(pair.source) for pair in train]
    counts = ngrams.fit_transform(own for sentences in known for own in sentences)
    features = hstack([counts, _standings(known)]).tocsr()
    regression = LogisticRegression(C=STRENGTH, max_iter=2000).fit(features, _is_best(known, train))
    asked = [sentences_of(text) for text in texts]
    features = hstack([ngrams.transform(own for sentences in asked for own in sentences), _standings(asked)]).tocsr()
    likelihoods: NDArray[numpy.float64] = regression.predict_proba(features)[:, 1]
    ends = numpy.cumsum([len(sentences) for sentences in asked])[:-1]
    return [sentences[int(own.argmax())] for sentences, own in zip(asked, numpy.split(likelihoods, ends), strict=True)]


def _is_best(texts: Sequence[Sequence[str]], train: Sequence[Pair]) -> NDArray[numpy.bool_]:
    """Of each sentence of all texts (sentences,)."""
    scorer = StemmedScorer()
    best: list[bool] = []
    for sentences, pair in zip(texts, train, strict=True):
        scores = [scorer.scores(own, [pair.target])[0] for own in sentences]
        best.extend(place == int(numpy.argmax(scores)) for place in range(len(sentences)))
    return numpy.array(best)


def _standings(texts: Sequence[Sequence[str]]) -> Any:
    """Of each sentence of all texts, sparse (sentences, traits)."""
    from scipy.sparse import csr_matrix

    return csr_matrix(numpy.vstack([standing_of(sentences) for sentences in texts]))
