"""Training tasks: a data set in ids, its batches, and its loss through one head."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from ..backbone import length_mask
from ..heads.seq2seq import copy_probability
from ..heads.tagger import WordPlaces
from ..loss import Layer, divergence, divergence_of_logits, output_loss
from ..model import RondoModel
from .batching import length_batches
from .distillation import Lesson
from .drawing import Drawn
from .regularization import Noise, Regularization
from .sequences import IdArray, Sequences, padded

Index = NDArray[numpy.int64]

_LONGEST_WHOLE = 20_000
"""Tokens of a text that is read as a whole; a server refuses longer ones, too, unless it is told otherwise."""


@dataclass(frozen=True, slots=True)
class TaskLoss:
    """What one batch gave.

    Attributes:
        objective: scalar to minimise, a mean over the batch's targets.
        log_likelihood: scalar, the sum over the targets, plain (no smoothing), detached.
        num_correct: scalar, rightly classified texts or words; None for the other tasks.
    """

    objective: Tensor
    log_likelihood: Tensor
    num_correct: Tensor | None = None


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
    def batches(self, rng: numpy.random.Generator, *, training: bool) -> list[Index]:
        """One epoch of batches, of what `draw` reads, in random order."""

    @abstractmethod
    def draw(self, batch: Index, rng: numpy.random.Generator, pad_id: int, *, training: bool) -> Drawn:
        """A batch in tensors; `rng` decides on what is drawn anew each time."""

    @abstractmethod
    def loss(self, model: RondoModel, drawn: Drawn, noise: Noise, lesson: Lesson | None = None) -> TaskLoss:
        """Run the model on one batch, which is where the model is; with a lesson its teachers read it, too."""

    def _passes(self, model: RondoModel) -> int:
        """How often each text is read: twice, with noise of its own each time, where both readings shall agree."""
        return 2 if self.regularization.consistency and model.training else 1


class ClassificationTask(Task):
    """Texts with labels; one longer than `longest` is cropped to a random window of it in training, and outside of it
    one of more than 20,000 tokens to its beginning."""

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

    def batches(self, rng: numpy.random.Generator, *, training: bool) -> list[Index]:
        most = self.longest if training else _LONGEST_WHOLE
        return length_batches(numpy.minimum(self.texts.lengths, most), self.budget, rng)

    def _window(self, index: int, rng: numpy.random.Generator) -> IdArray:
        ids = self.texts[index]
        start = int(rng.integers(len(ids) - self.longest + 1)) if len(ids) > self.longest else 0
        return ids[start : start + self.longest]

    def draw(self, batch: Index, rng: numpy.random.Generator, pad_id: int, *, training: bool) -> Drawn:
        texts = [self._window(index, rng) if training else self.texts[index][:_LONGEST_WHOLE] for index in batch]
        ids, lengths = padded(self.regularization.read(texts, rng), pad_id)
        tensors = {"ids": ids, "lengths": lengths, "labels": self.labels[batch]}
        return Drawn(tensors, len(batch), int(lengths.sum()))

    def loss(self, model: RondoModel, drawn: Drawn, noise: Noise, lesson: Lesson | None = None) -> TaskLoss:
        backbone, head, own = model.backbone, model.classifier(self.head), self.regularization
        ids, lengths, labels = (drawn.tensors[name] for name in ("ids", "lengths", "labels"))
        passes = self._passes(model)
        if passes == 2:
            ids, lengths, labels = (torch.cat([tensor, tensor]) for tensor in (ids, lengths, labels))
        read = own.noise(noise).drop(ids, backbone.config.pad_id)
        logits = head(own.encode(backbone, read, lengths))  # (batch, labels)
        smoothing = head.config.label_smoothing if model.training else 0.0
        objective = functional.cross_entropy(logits, labels, label_smoothing=smoothing)
        if lesson is not None:
            objective = lesson.objective(objective, logits, lambda teacher: self._thought(teacher, drawn))
        if passes == 2:
            objective = objective + own.consistency / 2 * divergence_of_logits(*logits.chunk(2)).mean()
        plain = functional.cross_entropy(logits.detach(), labels, reduction="sum")
        correct = (logits.detach().argmax(dim=-1) == labels).sum()
        return TaskLoss(objective, -plain / passes, correct / passes)

    def _thought(self, teacher: RondoModel, drawn: Drawn) -> Tensor:
        encoded = teacher.backbone.encode(drawn.tensors["ids"], drawn.tensors["lengths"])
        logits: Tensor = teacher.classifier(self.head)(encoded)
        return logits


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

    def batches(self, rng: numpy.random.Generator, *, training: bool) -> list[Index]:
        shift = int(rng.integers(self.window)) if self.size > 1 else 0
        count = (len(self.stream) - shift) // self.window
        starts = rng.permutation(count) * self.window + shift
        rows = max(1, self.budget // self.window)
        return [starts[i : i + rows] for i in range(0, count, rows)]

    def draw(self, batch: Index, rng: numpy.random.Generator, pad_id: int, *, training: bool) -> Drawn:
        backward = training and float(rng.random()) < self.backward_share
        windows = self.stream[batch[:, None] + numpy.arange(self.window)].astype(numpy.int64)
        if backward:
            windows = windows[:, ::-1].copy()
        targets = torch.from_numpy(windows)  # (batch, window)
        inputs = torch.cat([torch.full_like(targets[:, :1], self.start_id), targets[:, :-1]], dim=1)
        return Drawn({"inputs": inputs, "targets": targets}, targets.numel(), targets.numel(), backward)

    def loss(self, model: RondoModel, drawn: Drawn, noise: Noise, lesson: Lesson | None = None) -> TaskLoss:
        backbone, head = model.backbone, model.language_model(self.head)
        features = self._features(model, drawn)
        loss, log_likelihood = output_loss(
            features,
            backbone.embedding.weight,
            head.output_bias,
            drawn.tensors["targets"].flatten(),
            smoothing=0.0,
            low_precision=noise.low_precision,
            thoughts=lesson.thoughts(lambda teacher: self._thought(teacher, drawn)) if lesson else None,
        )
        return TaskLoss(loss.mean(), log_likelihood.sum())

    def _features(self, model: RondoModel, drawn: Drawn) -> Tensor:
        """Of each target: (batch * window, features)."""
        backbone, head = model.backbone, model.language_model(self.head)
        lower = backbone.stack("backward" if drawn.backward else "forward")(backbone.embed(drawn.tensors["inputs"]))[0]
        features = head.backward_features(lower) if drawn.backward else head.features(head.read(lower, None)[0])
        return features.flatten(0, 1)

    def _thought(self, teacher: RondoModel, drawn: Drawn) -> Layer:
        bias = teacher.language_model(self.head).output_bias
        return self._features(teacher, drawn), teacher.backbone.embedding.weight, bias


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

    def batches(self, rng: numpy.random.Generator, *, training: bool) -> list[Index]:
        return length_batches(self.sources.lengths + self.targets.lengths, self.budget, rng)

    def draw(self, batch: Index, rng: numpy.random.Generator, pad_id: int, *, training: bool) -> Drawn:
        sources, lengths = padded(self.regularization.read([self.sources[i] for i in batch], rng), pad_id)
        targets, target_lengths = padded([self.targets[i] for i in batch], pad_id)
        positions = torch.arange(targets.shape[1] - 1)[None] < target_lengths[:, None] - 1  # (batch, target)
        real = positions.flatten().nonzero()[:, 0]
        count = len(real)
        tensors = {"sources": sources, "lengths": lengths, "targets": targets, "real": real}
        return Drawn(tensors, count, int(lengths.sum()) + count)

    def loss(self, model: RondoModel, drawn: Drawn, noise: Noise, lesson: Lesson | None = None) -> TaskLoss:
        sources, lengths, targets, real = (drawn.tensors[name] for name in ("sources", "lengths", "targets", "real"))
        passes = self._passes(model)
        if passes == 2:
            real = torch.cat([real, real + targets[:, 1:].numel()])
            sources, lengths, targets = (torch.cat([tensor, tensor]) for tensor in (sources, lengths, targets))
        backbone, head = model.backbone, model.seq2seq(self.head)
        pad_id, own = backbone.config.pad_id, self.regularization
        noise = own.noise(noise)
        inputs, outputs = targets[:, :-1], targets[:, 1:]
        memory = head.read(own.encode(backbone, noise.drop(sources, pad_id), lengths))
        # The first symbol is never blanked: nothing else says what to write.
        lower, _ = backbone.advance(torch.cat([inputs[:, :1], noise.drop(inputs[:, 1:], pad_id)], dim=1))
        decoded, _ = head.decode(lower, memory, head.initial_state(memory))
        features = decoded.features.flatten(0, 1)[real]
        loss, log_likelihood = output_loss(
            features,
            backbone.embedding.weight,
            head.output_bias,
            outputs.flatten()[real],
            smoothing=0.0 if decoded.generate is not None or not model.training else head.config.label_smoothing,
            low_precision=noise.low_precision,
            thoughts=lesson.thoughts(lambda teacher: self._thought(teacher, drawn), passes) if lesson else None,
        )
        if decoded.generate is not None:
            share = decoded.generate.flatten()[real].clamp(1e-6, 1 - 1e-6)
            copied = copy_probability(decoded, memory, outputs).flatten()[real].float().clamp_min(1e-12)
            loss = -torch.logaddexp(share.log() - loss, (1 - share).log() + copied.log())
            log_likelihood = -loss.detach()
        objective = loss.mean()
        if decoded.coverage_loss is not None:
            objective = objective + head.config.coverage_weight * decoded.coverage_loss.flatten()[real].mean()
        if passes == 2:
            first, second = features.chunk(2)
            weights = (backbone.embedding.weight, head.output_bias)
            objective = objective + own.consistency / 2 * divergence(first, second, *weights).mean()
        return TaskLoss(objective, log_likelihood.sum() / passes)

    def _thought(self, teacher: RondoModel, drawn: Drawn) -> Layer:
        sources, lengths, targets, real = (drawn.tensors[name] for name in ("sources", "lengths", "targets", "real"))
        backbone, head = teacher.backbone, teacher.seq2seq(self.head)
        memory = head.read(backbone.encode(sources, lengths))
        decoded, _ = head.decode(backbone.advance(targets[:, :-1])[0], memory, head.initial_state(memory))
        return decoded.features.flatten(0, 1)[real], backbone.embedding.weight, head.output_bias


class TaggingTask(Task):
    """Texts with a label for each word.

    Args:
        texts: the words' pieces, and maybe more after the last word.
        sizes: of each text, the number of pieces of each word.
        labels: of each text, the number of each word's label.
    """

    def __init__(
        self,
        name: str,
        head: str,
        budget: int,
        texts: Sequences,
        sizes: Sequences,
        labels: Sequences,
        regularization: Regularization | None = None,
    ) -> None:
        super().__init__(name, head, budget, regularization)
        self.texts = texts
        self.sizes = sizes
        self.labels = labels

    @property
    def size(self) -> int:
        return len(self.texts)

    def batches(self, rng: numpy.random.Generator, *, training: bool) -> list[Index]:
        return length_batches(self.texts.lengths, self.budget, rng)

    def _drawn_text(self, index: int, rng: numpy.random.Generator) -> tuple[IdArray, IdArray]:
        """Pieces of a text, and how many each word has; each word's may be drawn anew, so that it keeps its label."""
        ids, sizes = self.texts[index], self.sizes[index]
        if self.regularization.resegment is None:
            return ids, sizes
        *words, rest = numpy.split(ids, numpy.cumsum(sizes))
        drawn = self.regularization.read(words, rng)
        return numpy.concatenate([*drawn, rest]), numpy.array([len(word) for word in drawn], dtype=numpy.int32)

    def draw(self, batch: Index, rng: numpy.random.Generator, pad_id: int, *, training: bool) -> Drawn:
        texts, sizes = zip(*(self._drawn_text(index, rng) for index in batch), strict=True)
        ids, lengths = padded(texts, pad_id)
        places = WordPlaces.of(sizes)
        labels, num_words = padded([self.labels[index] for index in batch], 0)
        real = length_mask(num_words, labels.shape[1]).flatten().nonzero()[:, 0]
        tensors = {
            "ids": ids,
            "lengths": lengths,
            "firsts": places.firsts,  # (batch, words)
            "lasts": places.lasts,
            "num_words": num_words,
            "labels": labels,
            "real": real,
        }
        return Drawn(tensors, len(real), int(lengths.sum()))

    def loss(self, model: RondoModel, drawn: Drawn, noise: Noise, lesson: Lesson | None = None) -> TaskLoss:
        backbone, head, own = model.backbone, model.tagger(self.head), self.regularization
        real = drawn.tensors["real"]
        names = ("ids", "lengths", "firsts", "lasts", "num_words", "labels")
        tensors = [drawn.tensors[name] for name in names]
        passes = self._passes(model)
        if passes == 2:
            real = torch.cat([real, real + drawn.tensors["labels"].numel()])
            tensors = [torch.cat([tensor, tensor]) for tensor in tensors]
        ids, lengths, firsts, lasts, num_words, labels = tensors
        read = own.noise(noise).drop(ids, backbone.config.pad_id)
        logits = head(own.encode(backbone, read, lengths), WordPlaces(firsts, lasts, num_words))
        logits, targets = logits.flatten(0, 1)[real], labels.flatten()[real]  # (words, labels), (words,)
        weights = logits.new_tensor(head.config.label_weights) if head.config.label_weights else None
        objective = functional.cross_entropy(logits, targets, weight=weights)
        if lesson is not None:
            objective = lesson.objective(objective, logits, lambda teacher: self._thought(teacher, drawn))
        log_likelihood = -functional.cross_entropy(logits.detach(), targets, reduction="sum")
        if passes == 2:
            objective = objective + own.consistency / 2 * divergence_of_logits(*logits.chunk(2)).mean()
        correct = (logits.detach().argmax(dim=-1) == targets).sum()
        return TaskLoss(objective, log_likelihood / passes, correct / passes)

    def _thought(self, teacher: RondoModel, drawn: Drawn) -> Tensor:
        ids, lengths, *places = (drawn.tensors[name] for name in ("ids", "lengths", "firsts", "lasts", "num_words"))
        logits: Tensor = teacher.tagger(self.head)(teacher.backbone.encode(ids, lengths), WordPlaces(*places))
        return logits.flatten(0, 1)[drawn.tensors["real"]]
