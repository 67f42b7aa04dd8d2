"""Subword regularisation: the same text in other pieces, drawn anew each time it is read in training.

After Kudo, "Subword Regularization: Improving Neural Network Translation Models with Multiple Subword Candidates"
(ACL 2018), a word at a time: pieces never cross a space, so the likelihood of a segmentation is the product over
its words, and the alternatives of a word can be kept.
"""

from itertools import pairwise

import numpy
from numpy.typing import NDArray

from .vocabulary import Tokenizer

IdArray = NDArray[numpy.int32]


class Resegmenter:
    """Draws other segmentations of id sequences; decoded, they are the same text.

    Args:
        tokenizer: the vocabulary.
        smoothing: exponent of the likelihoods, the paper's alpha; 0 draws all alternatives alike.
        num_alternatives: most segmentations of a word, the likeliest ones.

    Raises:
        ValueError: a negative smoothing, or fewer than one alternative.
    """

    def __init__(self, tokenizer: Tokenizer, smoothing: float, num_alternatives: int = 8) -> None:
        if smoothing < 0 or num_alternatives < 1:
            raise ValueError("smoothing must not be negative, num_alternatives at least 1")
        self._tokenizer = tokenizer
        self._smoothing = smoothing
        self._num_alternatives = num_alternatives
        self._begins_word = numpy.array([tokenizer.begins_word(identifier) for identifier in range(tokenizer.size)])
        self._known: dict[bytes, tuple[list[IdArray], NDArray[numpy.float64]]] = {}

    def __call__(self, ids: IdArray, rng: numpy.random.Generator) -> IdArray:
        """One draw.

        Args:
            ids: (n,) ids of a text, control symbols allowed.
            rng: decides.

        Returns:
            (m,) ids of the same text.
        """
        cuts = numpy.flatnonzero(self._begins_word[ids])
        bounds = [0, *(int(cut) for cut in cuts if cut), len(ids)]
        draws = rng.random(len(bounds))
        parts = []
        for (start, end), draw in zip(pairwise(bounds), draws, strict=False):
            alternatives, cumulative = self._alternatives(ids[start:end])
            parts.append(alternatives[int(numpy.searchsorted(cumulative, draw, side="right"))])
        return numpy.concatenate(parts)

    def _alternatives(self, word: IdArray) -> tuple[list[IdArray], NDArray[numpy.float64]]:
        """Segmentations of one word, and their cumulative probabilities but the last."""
        key = word.tobytes()
        if key not in self._known:
            self._known[key] = self._found(word)
        return self._known[key]

    def _found(self, word: IdArray) -> tuple[list[IdArray], NDArray[numpy.float64]]:
        """A control symbol, such as the end after the last word, is kept at the word's end."""
        controls = [i for i, identifier in enumerate(word) if int(identifier) in self._tokenizer.control_ids]
        spelled = word[: controls[0]] if controls else word
        scored = self._tokenizer.segmentations([int(i) for i in spelled], self._num_alternatives)
        if len(scored) < 2:
            return [word], numpy.empty(0)
        scores = self._smoothing * numpy.array([score for _, score in scored])
        likelihoods = numpy.exp(scores - scores.max())
        tail = word[len(spelled) :]
        alternatives = [numpy.concatenate([numpy.asarray(ids, dtype=numpy.int32), tail]) for ids, _ in scored]
        return alternatives, numpy.cumsum(likelihoods / likelihoods.sum())[:-1]
