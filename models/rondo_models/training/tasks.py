"""Training tasks: a data set in ids, its batches, and its loss through one head."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from ..backbone import Backbone, Encoded
from ..heads.seq2seq import copy_probability
from ..loss import output_loss
from ..model import RondoModel
from .batching import length_batches
from .sequences import IdArray, Sequences, padded

Index = NDArray[numpy.int64]
Resegment = Callable[[IdArray, numpy.random.Generator], IdArray]


@dataclass(frozen=True, slots=True)
class TaskLoss:
    """What one batch gave.

    Attributes:
        objective: scalar to minimise, a mean over `num_targets`.
        log_likelihood: sum over the targets, plain (no smoothing), detached.
        num_targets: predicted tokens, or classified texts.
        num_correct: rightly classified texts; 0 for the other tasks.
        num_tokens: tokens read and written.
    """

    objective: Tensor
    log_likelihood: float
    num_targets: int
    num_correct: int
    num_tokens: int


@dataclass(frozen=True, slots=True)
class Noise:
    """Regularisation of the inputs in training.

    Attributes:
        word_dropout: share of the input tokens that are blanked (after Gal & Ghahramani 2016).
        low_precision: bfloat16 in the output layer.
    """

    word_dropout: float = 0.0
    low_precision: bool = False

    def drop(self, ids: Tensor, pad_id: int) -> Tensor:
        """Replace a share of `ids` by padding, the blank."""
        if self.word_dropout == 0:
            return ids
        return ids.masked_fill(torch.rand(ids.shape, device=ids.device) < self.word_dropout, pad_id)


@dataclass(frozen=True, slots=True)
class Regularization:
    """What one data set needs beyond the model's own dropout; small sets need more.

    Attributes:
        word_dropout: instead of the phase's; None keeps that.
        dropout: of the encoder's outputs.
        resegment: draws other ids of the same text each time it is read; None keeps the likeliest.
    """

    word_dropout: float | None = None
    dropout: float = 0.0
    resegment: Resegment | None = None

    def noise(self, noise: Noise) -> Noise:
        """The phase's noise with this set's own share of blanked inputs."""
        return noise if self.word_dropout is None else replace(noise, word_dropout=self.word_dropout)

    def read(self, texts: Sequence[IdArray]) -> list[IdArray]:
        """The texts of a batch in newly drawn ids; torch's generator decides."""
        if self.resegment is None:
            return list(texts)
        rng = numpy.random.default_rng(int(torch.randint(2**31, ())))
        return [self.resegment(ids, rng) for ids in texts]

    def encode(self, backbone: Backbone, ids: Tensor, lengths: Tensor) -> Encoded:
        """The encoder's outputs with some of them dropped."""
        encoded = backbone.encode(ids, lengths)
        return replace(encoded, outputs=functional.dropout(encoded.outputs, self.dropout, self.dropout > 0))


class Task(ABC):
    """A data set that trains one head; `name` is unique, `head` names the head.

    `regularization` holds for training alone: a task that measures has none.
    """

    def __init__(self, name: str, head: str, budget: int, regularization: Regularization | None = None) -> None:
        self.name = name
        self.head = head
        self.budget = budget
        self.regularization = regularization or Regularization()

    @property
    @abstractmethod
    def size(self) -> int:
        """Number of examples."""

    @abstractmethod
    def batches(self, rng: numpy.random.Generator) -> list[Index]:
        """One epoch of batches in random order."""

    @abstractmethod
    def loss(self, model: RondoModel, batch: Index, noise: Noise) -> TaskLoss:
        """Run the model on one batch."""


class ClassificationTask(Task):
    """Texts with labels; a text longer than `longest` is cropped to a random window of it in training."""

    def __init__(
        self,
        name: str,
        head: str,
        budget: int,
        texts: Sequences,
        labels: Sequence[int],
        longest: int,
        regularization: Regularization | None = None,
    ) -> None:
        super().__init__(name, head, budget, regularization)
        self.texts = texts
        self.labels = torch.tensor(labels)
        self.longest = longest

    @property
    def size(self) -> int:
        return len(self.texts)

    def batches(self, rng: numpy.random.Generator) -> list[Index]:
        return length_batches(numpy.minimum(self.texts.lengths, self.longest), self.budget, rng)

    def _window(self, index: int, training: bool) -> NDArray[numpy.int32]:
        ids = self.texts[index]
        if training and len(ids) > self.longest:
            start = int(torch.randint(len(ids) - self.longest + 1, ()))
            return ids[start : start + self.longest]
        return ids

    def loss(self, model: RondoModel, batch: Index, noise: Noise) -> TaskLoss:
        backbone, head = model.backbone, model.classifier(self.head)
        device = backbone.embedding.weight.device
        pad_id = backbone.config.pad_id
        own = self.regularization
        ids, lengths = padded(own.read([self._window(i, model.training) for i in batch]), pad_id)
        ids, lengths, labels = ids.to(device), lengths.to(device), self.labels[batch].to(device)
        logits = head(own.encode(backbone, own.noise(noise).drop(ids, pad_id), lengths))  # (batch, labels)
        objective = functional.cross_entropy(logits, labels)
        return TaskLoss(
            objective,
            -float(objective.detach()) * len(batch),
            len(batch),
            int((logits.argmax(dim=-1) == labels).sum()),
            int(lengths.sum()),
        )


class LanguageModelTask(Task):
    """A stream of ids cut into windows; a share of the batches is read backward by the backward stack.

    Its inputs are not blanked: in the few epochs that a CPU affords, that cost more than it gave (docs/log.md).
    """

    def __init__(
        self,
        name: str,
        head: str,
        budget: int,
        stream: NDArray[numpy.int32],
        window: int,
        start_id: int,
        backward_share: float,
    ) -> None:
        super().__init__(name, head, budget)
        self.stream = stream
        self.window = window
        self.start_id = start_id
        self.backward_share = backward_share

    @property
    def size(self) -> int:
        return len(self.stream) // self.window

    def batches(self, rng: numpy.random.Generator) -> list[Index]:
        shift = int(rng.integers(self.window)) if self.size > 1 else 0
        count = (len(self.stream) - shift) // self.window
        starts = rng.permutation(count) * self.window + shift
        rows = max(1, self.budget // self.window)
        return [starts[i : i + rows] for i in range(0, count, rows)]

    def loss(self, model: RondoModel, batch: Index, noise: Noise) -> TaskLoss:
        backbone, head = model.backbone, model.language_model(self.head)
        device = backbone.embedding.weight.device
        windows = numpy.stack([self.stream[start : start + self.window] for start in batch])
        targets = torch.from_numpy(windows.astype(numpy.int64)).to(device)  # (batch, window)
        backward = model.training and float(torch.rand(())) < self.backward_share
        if backward:
            targets = targets.flip(1)
        inputs = torch.cat([torch.full_like(targets[:, :1], self.start_id), targets[:, :-1]], dim=1)
        embedded = backbone.embed(inputs)
        stack = backbone.backward_stack if backward else backbone.forward_stack
        lower = stack(embedded)[0]
        features = head.backward_features(lower) if backward else head.features(head.read(lower, None)[0])
        loss, log_likelihood = output_loss(
            features.flatten(0, 1),
            backbone.embedding.weight,
            head.output_bias,
            targets.flatten(),
            smoothing=0.0,
            low_precision=noise.low_precision,
        )
        return TaskLoss(loss.mean(), float(log_likelihood.sum()), targets.numel(), 0, targets.numel())


class Seq2SeqTask(Task):
    """Sources with targets; a target begins with the symbol that says what to write, and ends with `end_id`."""

    def __init__(
        self,
        name: str,
        head: str,
        budget: int,
        sources: Sequences,
        targets: Sequences,
        regularization: Regularization | None = None,
    ) -> None:
        super().__init__(name, head, budget, regularization)
        self.sources = sources
        self.targets = targets

    @property
    def size(self) -> int:
        return len(self.sources)

    def batches(self, rng: numpy.random.Generator) -> list[Index]:
        return length_batches(self.sources.lengths + self.targets.lengths, self.budget, rng)

    def loss(self, model: RondoModel, batch: Index, noise: Noise) -> TaskLoss:
        backbone, head = model.backbone, model.seq2seq(self.head)
        device, pad_id = backbone.embedding.weight.device, backbone.config.pad_id
        own = self.regularization
        noise = own.noise(noise)
        sources, source_lengths = padded(own.read([self.sources[i] for i in batch]), pad_id)
        targets, _ = padded([self.targets[i] for i in batch], pad_id)
        sources, source_lengths, targets = sources.to(device), source_lengths.to(device), targets.to(device)
        inputs, outputs = targets[:, :-1], targets[:, 1:]
        real = outputs != pad_id  # (batch, target)
        memory = head.read(own.encode(backbone, noise.drop(sources, pad_id), source_lengths))
        # The first symbol is never blanked: nothing else says what to write.
        lower, _ = backbone.advance(torch.cat([inputs[:, :1], noise.drop(inputs[:, 1:], pad_id)], dim=1))
        decoded, _ = head.decode(lower, memory, head.initial_state(memory))
        loss, log_likelihood = output_loss(
            decoded.features[real],
            backbone.embedding.weight,
            head.output_bias,
            outputs[real],
            smoothing=0.0 if decoded.generate is not None or not model.training else head.config.label_smoothing,
            low_precision=noise.low_precision,
        )
        if decoded.generate is not None:
            share = decoded.generate[real].clamp(1e-6, 1 - 1e-6)
            copied = copy_probability(decoded, memory, outputs)[real].float().clamp_min(1e-12)
            loss = -torch.logaddexp(share.log() - loss, (1 - share).log() + copied.log())
            log_likelihood = -loss.detach()
        objective = loss.mean()
        if decoded.coverage_loss is not None:
            objective = objective + head.config.coverage_weight * decoded.coverage_loss[real].mean()
        count = int(real.sum())
        return TaskLoss(objective, float(log_likelihood.sum()), count, 0, int(source_lengths.sum()) + count)
