"""Summaries without a trained model: the beginning, LexRank's sentence, the nearest training text's summary."""

import warnings
from collections.abc import Sequence

from rondo_tokenizers.sentences import split_sentences

from ...datasets.examples import Pair


def lead_words(texts: Sequence[str], num_words: int) -> list[str]:
    """The first words of each text."""
    return [" ".join(text.split()[:num_words]) for text in texts]


def lead_sentences(texts: Sequence[str]) -> list[str]:
    """The first sentence of each text."""
    return [sentences_of(text)[0] for text in texts]


def sentences_of(text: str) -> list[str]:
    """The text's sentences; the text itself if it has none."""
    return [own for sentence in split_sentences(text) if (own := sentence.strip())] or [text]


def mean_words(train: Sequence[Pair]) -> int:
    """Mean number of words of the training summaries, rounded: the length that `lead_words` should have."""
    return max(1, round(sum(len(pair.target.split()) for pair in train) / len(train)))


class _Tokenizer:
    """Sentences and words for sumy, without its download of NLTK data."""

    def to_sentences(self, text: str) -> list[str]:
        return sentences_of(text)

    def to_words(self, text: str) -> list[str]:
        return text.split()


def lexrank(texts: Sequence[str]) -> list[str]:
    """The sentence of each text that LexRank (Erkan & Radev 2004) over TF-IDF finds most central."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from sumy.parsers.plaintext import PlaintextParser
        from sumy.summarizers.lex_rank import LexRankSummarizer

        summarizer = LexRankSummarizer()
        results = []
        for text in texts:
            sentences = summarizer(PlaintextParser.from_string(text, _Tokenizer()).document, 1)
            results.append(str(sentences[0]) if sentences else text)
    return results


def nearest_neighbour(texts: Sequence[str], train: Sequence[Pair]) -> list[str]:
    """The summary of the training text with the most similar TF-IDF vector."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    vectorizer = TfidfVectorizer(sublinear_tf=True, min_df=1, token_pattern=r"(?u)\b\w+\b")
    known = vectorizer.fit_transform(pair.source for pair in train)
    similarity = vectorizer.transform(texts) @ known.T  # (texts, train), sparse
    return [train[int(similarity[row].argmax())].target for row in range(len(texts))]
