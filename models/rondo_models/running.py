"""A classifier over growing text: each piece is read once, and the whole is scored after it at constant cost.

Needs a head that reads forward. What is kept of the text is of a fixed size: the forward stack's state, the pooled
outputs so far, and the last ids, with which the next ones form n-grams.
"""

from dataclasses import dataclass

import numpy
import torch
from torch import Tensor

from .heads.classifier import ClassifierHead
from .model import RondoModel
from .state import RecurrentState


@dataclass(frozen=True, slots=True)
class RunningText:
    """What is known of a text so far.

    Attributes:
        state: of the forward stack, one row.
        highest: (hidden,), of the outputs.
        total: (hidden,), their sum.
        attended: (hidden,), their sum weighted by exp(score - top_score).
        attention: sum of these weights.
        top_score: the highest attention score.
        ngram_sum: (labels,), summed weights of the n-grams.
        num_ngrams, num_tokens: counts.
        recent: the last ids, at most one fewer than the longest n-gram has.
    """

    state: RecurrentState
    highest: Tensor
    total: Tensor
    attended: Tensor
    attention: float
    top_score: float
    ngram_sum: Tensor
    num_ngrams: float
    num_tokens: int
    recent: tuple[int, ...]

    def to_bytes(self) -> bytes:
        """All of it as float32 values; ids and counts are small enough to be exact."""
        vectors = [*self.state.tensors, self.highest, self.total, self.attended, self.ngram_sum]
        numbers = [self.attention, self.top_score, self.num_ngrams, self.num_tokens, len(self.recent), *self.recent]
        flat = [*(vector.reshape(-1).numpy() for vector in vectors), numpy.array(numbers, dtype=numpy.float32)]
        return numpy.concatenate(flat).astype(numpy.float32).tobytes()


class RunningClassifier:
    """Reads and scores with one head of a model.

    Raises:
        ValueError: the head reads both directions.
    """

    def __init__(self, model: RondoModel, head: str) -> None:
        self._backbone = model.backbone
        self._head: ClassifierHead = model.classifier(head)
        if self._head.config.reads != "forward":
            raise ValueError(f"the head {head} reads both directions, so it can't score growing text")

    def nothing_read(self) -> RunningText:
        """Before the first piece."""
        size = self._backbone.config.hidden_size
        zeros = torch.zeros(size)
        labels = torch.zeros(len(self._head.config.labels))
        state = self._backbone.forward_stack.initial_state(1)
        return RunningText(state, torch.full((size,), -torch.inf), zeros, zeros, 0.0, -torch.inf, labels, 0.0, 0, ())

    def from_bytes(self, content: bytes) -> RunningText:
        """What `RunningText.to_bytes` made.

        Raises:
            ValueError: it is not of this model's size.
        """
        flat = torch.from_numpy(numpy.frombuffer(content, dtype=numpy.float32).copy())
        like = self.nothing_read()
        vectors = [*like.state.tensors, like.highest, like.total, like.attended, like.ngram_sum]
        sizes = [vector.numel() for vector in vectors]
        if len(flat) < sum(sizes) + 5:
            raise ValueError("the state is of another size than the model's")
        *parts, numbers = torch.split(flat, [*sizes, len(flat) - sum(sizes)])
        shaped = [part.view(vector.shape) for part, vector in zip(parts, vectors, strict=True)]
        attention, top_score, num_ngrams, num_tokens, _, *recent = numbers.tolist()
        *state, highest, total, attended, ngram_sum = shaped
        return RunningText(
            RecurrentState(tuple(state)),
            highest,
            total,
            attended,
            attention,
            top_score,
            ngram_sum,
            num_ngrams,
            int(num_tokens),
            tuple(int(identifier) for identifier in recent),
        )

    def read(self, text: RunningText, ids: tuple[int, ...]) -> RunningText:
        """The text with one more piece (at least one id)."""
        outputs, state = self._backbone.advance(torch.tensor([ids]), text.state)  # (1, time, hidden)
        scores = self._head.attention_scores(outputs)[0]
        top_score = max(text.top_score, float(scores.max()))
        weights = (scores - top_score).exp()
        before = float(torch.tensor(text.top_score - top_score).exp())
        ngram_sum, num_ngrams = self._new_ngrams(text.recent, ids)
        return RunningText(
            state,
            torch.maximum(text.highest, outputs[0].amax(dim=0)),
            text.total + outputs[0].sum(dim=0),
            text.attended * before + weights @ outputs[0],
            text.attention * before + float(weights.sum()),
            top_score,
            text.ngram_sum + ngram_sum,
            text.num_ngrams + num_ngrams,
            text.num_tokens + len(ids),
            (*text.recent, *ids)[max(0, len(text.recent) + len(ids) + 1 - self._head.config.longest_ngram) :],
        )

    def _new_ngrams(self, recent: tuple[int, ...], ids: tuple[int, ...]) -> tuple[Tensor, float]:
        """Those that end in `ids`: all of both less those of `recent` alone."""
        whole = torch.tensor([[*recent, *ids]])
        total, count = self._head.ngram_sums(whole, torch.tensor([whole.shape[1]]))
        if not recent:
            return total[0], float(count)
        old_total, old_count = self._head.ngram_sums(torch.tensor([recent]), torch.tensor([len(recent)]))
        return (total - old_total)[0], float(count - old_count)

    def probabilities(self, text: RunningText) -> tuple[float, ...]:
        """Of the labels, for all that has been read, which must be something."""
        pooled = {
            "attention": text.attended / text.attention,
            "max": text.highest,
            "mean": text.total / text.num_tokens,
        }
        joined = torch.cat([pooled[pooling] for pooling in self._head.config.poolings])
        logits = self._head.logits(joined[None], text.ngram_sum[None], torch.tensor([[text.num_ngrams]]))
        return tuple(logits[0].softmax(dim=-1).tolist())
