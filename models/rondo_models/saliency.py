"""Which tokens speak for a classifier's answer: integrated gradients over the input embeddings.

The method of Sundararajan et al. 2017 (arXiv:1703.01365): the margin of the likeliest label is followed on the straight
line from a baseline to the text, and each token gets what its embedding contributed on the way. All of it adds up to
the margin of the text less that of the baseline.

The baseline is as long as the text and holds the padding's vector, which training also puts for dropped words and so is
the model's own idea of a word that says nothing. Its end symbol stays: there is no text without one, and a text that
never ends would be further from all that the model knows than one without words.

Knows nothing of text. Works in parts, so that others can go on between them.
"""

from collections.abc import Generator
from dataclasses import dataclass, field

import torch
from torch import Tensor

from .backbone import Backbone, Encoded
from .cells import RecurrentStack
from .heads.classifier import ClassifierHead, hashed_ngrams, ngram_shares
from .heads.words import words_of
from .model import RondoModel
from .state import RecurrentState

_TOKENS_AT_ONCE = 2048
"""Of all points that go together; what their gradients need is kept meanwhile, about 25 KB a token."""

_TOKENS_IN_PART = 256
"""Of all points that go together, read or gone back over between two rests."""


@dataclass(frozen=True, slots=True)
class Saliency:
    """Why a text has its label.

    Attributes:
        probabilities: of the labels.
        tokens: for each id, how much it raises the logit of the likeliest label over the mean of the others.
    """

    probabilities: tuple[float, ...]
    tokens: tuple[float, ...]


class SaliencyWork:
    """The work on one text, done in parts. May be used in inference mode.

    Args:
        head: name of a classifier head.
        ids: end with the end symbol.
        num_intervals: into which the line from the baseline is divided.

    Attributes:
        result: once all parts are done.
    """

    def __init__(self, model: RondoModel, head: str, ids: tuple[int, ...], num_intervals: int) -> None:
        self._parts = _parts(model, head, ids, num_intervals)
        self.result: Saliency | None = None

    def advance(self) -> None:
        """Do the next part.

        Raises:
            KeyError: there is no such head.
            TypeError: it is no classifier.
        """
        # The server reads in inference mode, which forbids gradients; the mode is this thread's, so it must not last.
        with torch.inference_mode(False), torch.enable_grad():
            try:
                next(self._parts)
            except StopIteration as end:
                self.result = end.value


def saliency(model: RondoModel, head: str, ids: tuple[int, ...], num_intervals: int = 32) -> Saliency:
    """All of the work at once; arguments and errors as those of `SaliencyWork`."""
    work = SaliencyWork(model, head, ids, num_intervals)
    while work.result is None:
        work.advance()
    return work.result


def _parts(model: RondoModel, name: str, ids: tuple[int, ...], num_intervals: int) -> Generator[None, None, Saliency]:
    head, backbone = model.classifier(name), model.backbone
    text = backbone.embed(torch.tensor(ids))  # (time, embedding)
    baseline = backbone.embed(torch.full((len(ids),), backbone.config.pad_id))
    baseline[-1] = text[-1]
    ngrams = _ngram_logits(head, ids)  # (time, labels)
    gradients = _PathGradients(model, head, text, baseline)
    path = _Path(num_intervals, torch.zeros(len(ids)))
    probabilities: tuple[float, ...] = ()
    towards = torch.empty(0)  # (labels,), set at the first point, which is the text
    rows = max(1, _TOKENS_AT_ONCE // len(ids))
    for places in torch.split(torch.linspace(1, 0, num_intervals + 1), rows):
        yield from gradients.read(places)
        if not probabilities:
            logits = gradients.logits[0].detach() + ngrams.sum(dim=0)
            probabilities = tuple(logits.softmax(dim=-1).tolist())
            towards = torch.full_like(logits, -1 / (len(logits) - 1))
            towards[logits.argmax()] = 1
        margins = gradients.logits @ towards
        slopes = yield from gradients.go_back(margins)
        path.add(margins.detach(), slopes)
    return Saliency(probabilities, tuple((path.total + ngrams @ towards).tolist()))


def _ngram_logits(head: ClassifierHead, ids: tuple[int, ...]) -> Tensor:
    """(time, labels): what the n-grams add to the logits, each shared equally by its tokens.

    That part is linear, so its shares are exact, and the ids are not differentiable. The baseline has no n-grams.
    """
    if head.ngrams is None:
        return torch.zeros(len(ids), len(head.config.labels))
    tokens, length = torch.tensor([ids]), torch.tensor([len(ids)])
    if head.pieces is None:
        return _unit_logits(head, head.ngrams, tokens, length)
    words, num_words, word = words_of(tokens, length, head.pieces)
    shares = _unit_logits(head, head.ngrams, words[:, : int(num_words)], num_words)  # (words, labels)
    return (shares / word[0].bincount()[:, None])[word[0]]


def _unit_logits(head: ClassifierHead, table: torch.nn.Embedding, units: Tensor, length: Tensor) -> Tensor:
    """(units, labels): of the n-grams of units (1, units)."""
    longest, time = head.config.longest_ngram, units.shape[1]
    shares = torch.zeros(time, len(head.config.labels))
    buckets, mask = hashed_ngrams(units, length, longest, head.config.ngram_buckets)
    weights = table(buckets[0]) * ngram_shares(buckets, mask, head.config)[0][:, None] / mask.sum().sqrt()
    for n, own in enumerate(weights.view(longest, time, -1), start=1):  # (time, labels), by the n-gram's first token
        for offset in range(min(n, time)):
            shares[offset:] += own[: time - offset] / n
    return shares


@dataclass(slots=True)
class _Read:
    """A part that one stack has read, with what is needed to go back over it."""

    inputs: Tensor
    before: tuple[Tensor, ...]
    outputs: Tensor
    after: tuple[Tensor, ...]


class _PathGradients:
    """Margins and their gradients at points between the baseline and the text; all points are equally long."""

    def __init__(self, model: RondoModel, head: ClassifierHead, text: Tensor, baseline: Tensor) -> None:
        self._head = head
        self._encoder = _Whole(model.backbone) if model.backbone.transformer is not None else _Stacks(model.backbone)
        self._baseline = baseline
        self._difference = text - baseline
        self._outputs = torch.empty(0)
        self.logits = torch.empty(0)

    def read(self, places: Tensor) -> Generator[None, None, None]:
        """Set the `logits` (points, labels), without n-grams, at `places` (points,) between 0 and 1."""
        inputs = self._baseline + places[:, None, None] * self._difference  # (points, time, embedding)
        outputs = yield from self._encoder.read(inputs)
        self._outputs = outputs.requires_grad_()  # (points, time, encoded)
        num_points, time = self._outputs.shape[:2]
        ids, lengths = torch.zeros(num_points, time, dtype=torch.int64), torch.full((num_points,), time)
        encoded = Encoded(ids, lengths, self._outputs, torch.ones(num_points, time, dtype=torch.bool))
        no_ngrams = torch.zeros(num_points, len(self._head.config.labels)), torch.ones(num_points, 1)
        self.logits = self._head.logits(self._head.pool(encoded), *no_ngrams)

    def go_back(self, margins: Tensor) -> Generator[None, None, Tensor]:
        """(points, time): how fast each token's embedding raises the margins (points,) on the way to the text."""
        (by_output,) = torch.autograd.grad(margins.sum(), self._outputs)
        return (yield from self._encoder.go_back(by_output, self._difference))


class _Stacks:
    """The two stacks, read and gone back over in parts."""

    def __init__(self, backbone: Backbone) -> None:
        self._stacks = (backbone.stack("forward"), backbone.stack("backward"))
        self._read: list[list[_Read]] = []

    def read(self, inputs: Tensor) -> Generator[None, None, Tensor]:
        """(points, time, embedding) → (points, time, encoded), detached."""
        chunk = max(1, _TOKENS_IN_PART // len(inputs))
        self._read = []
        for stack, own in zip(self._stacks, (inputs, inputs.flip(1)), strict=True):
            self._read.append([])
            state = stack.initial_state(len(inputs))
            for part in torch.split(own, chunk, dim=1):
                read = _read_part(stack, part, state)
                self._read[-1].append(read)
                state = RecurrentState(read.after)
                yield
        forward, backward = (torch.cat([read.outputs.detach() for read in own], dim=1) for own in self._read)
        return torch.cat([forward, backward.flip(1)], dim=-1)

    def go_back(self, by_output: Tensor, difference: Tensor) -> Generator[None, None, Tensor]:
        """Gradients (points, time, encoded) → (points, time), as what was read last changes along `difference`."""
        forward, backward = by_output.chunk(2, dim=-1)
        forward_slopes = yield from _go_back(self._read[0], forward, difference)
        backward_slopes = yield from _go_back(self._read[1], backward.flip(1), difference.flip(0))
        self._read = []
        return forward_slopes + backward_slopes.flip(1)


class _Whole:
    """A Transformer, which can't read in parts: one part is all points."""

    def __init__(self, backbone: Backbone) -> None:
        assert backbone.transformer is not None
        self._transformer = backbone.transformer
        self._inputs = torch.empty(0)
        self._outputs = torch.empty(0)

    def read(self, inputs: Tensor) -> Generator[None, None, Tensor]:
        """As `_Stacks`."""
        self._inputs = inputs.detach().requires_grad_()
        self._outputs = self._transformer(self._inputs, torch.ones(inputs.shape[:2], dtype=torch.bool))
        yield
        return self._outputs.detach()

    def go_back(self, by_output: Tensor, difference: Tensor) -> Generator[None, None, Tensor]:
        """As `_Stacks`."""
        (by_input,) = torch.autograd.grad((self._outputs * by_output).sum(), self._inputs)
        self._inputs = self._outputs = torch.empty(0)
        yield
        return (by_input * difference).sum(dim=-1)


def _read_part(stack: RecurrentStack, inputs: Tensor, state: RecurrentState) -> _Read:
    inputs = inputs.detach().requires_grad_()
    before = tuple(tensor.detach().requires_grad_() for tensor in state.tensors)
    outputs, after = stack(inputs, RecurrentState(before))
    return _Read(inputs, before, outputs, after.tensors)


def _go_back(read: list[_Read], by_output: Tensor, difference: Tensor) -> Generator[None, None, Tensor]:
    """(points, time), by back-propagation through the parts, the last one first."""
    slopes = []
    by_state = tuple(torch.zeros_like(tensor) for tensor in read[-1].after)
    end = by_output.shape[1]
    while read:
        part = read.pop()
        begin = end - part.inputs.shape[1]
        # A sum, as gradients of several outputs would make the library import a computer algebra system (0.3 s).
        reached = (part.outputs * by_output[:, begin:end]).sum()
        for after, by_after in zip(part.after, by_state, strict=True):
            reached = reached + (after * by_after).sum()
        by_input, *by_before = torch.autograd.grad(reached, (part.inputs, *part.before))
        by_state = tuple(by_before)
        slopes.append((by_input * difference[begin:end]).sum(dim=-1))
        end = begin
        yield
    return torch.cat(slopes[::-1], dim=1)


@dataclass(slots=True)
class _Path:
    """The integral over the line, from the text backwards.

    On long texts a recurrent net's margin may leap somewhere between baseline and text, where gradients say much too
    much or nothing. So each interval's integral (by the trapezoidal rule) is held to the difference of the margins at
    its ends: what is more is scaled down, and what is missing is spread by the tokens' magnitudes (docs/log.md). Where
    the margin is smooth, neither changes anything.

    Attributes:
        total: (time,), so far.
    """

    num_intervals: int
    total: Tensor
    _margins: Tensor = field(default_factory=lambda: torch.empty(0))
    _slopes: Tensor | None = None

    def add(self, margins: Tensor, slopes: Tensor) -> None:
        """The next points: their margins (points,) and the tokens' slopes (points, time)."""
        if self._slopes is not None:
            margins, slopes = torch.cat([self._margins, margins]), torch.cat([self._slopes, slopes])
        self._margins, self._slopes = margins[-1:], slopes[-1:]
        shares = (slopes[:-1] + slopes[1:]) / 2 / self.num_intervals  # (intervals, time)
        change = (margins[:-1] - margins[1:])[:, None]  # (intervals, 1)
        tiny = torch.finfo(shares.dtype).tiny
        magnitudes = shares.abs() / shares.abs().sum(dim=1, keepdim=True).clamp(min=tiny)
        predicted = shares.sum(dim=1, keepdim=True).abs()
        shares = shares * (change.abs() / torch.maximum(predicted, change.abs()).clamp(min=tiny))
        missing = change - shares.sum(dim=1, keepdim=True)
        self.total = self.total + (shares + missing * magnitudes).sum(dim=0)
