"""Runs a model with the compiled kernels.

Float32 numbers go into AMX's products in two bfloat16 parts, and into those of other processors as they are, so that
answers are those of the plain PyTorch path but for its own rounding errors; or they go into them as 16-bit integers,
which is nearly as good. One bfloat16 part would hardly be faster, as the tiles wait for their loads. Sources are kept
without padding, and a row of a decoder knows where its own lies; taking rows only notes their numbers, which the next
step gathers.

An answer is the same, bit for bit, whatever else is in a batch and in whatever parts a text is read: kernels sum the
numbers of a row in an order that depends on that row alone, and PyTorch is left only what is exact or done for one row
at a time.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import cast

import torch
from torch import Tensor

from ..backbone import Direction, Encoded, length_mask
from ..cells import RecurrentStack
from ..config import ConfigError, Precision
from ..decoding.lanes import Lane, RowsState, Stepped
from ..decoding.prompts import PromptState
from ..executor import Executor, TorchExecutor
from ..heads.classifier import POOLINGS, ClassifierHead
from ..heads.language_model import LanguageModelHead
from ..heads.seq2seq import Seq2SeqHead
from ..heads.tagger import TaggerHead
from ..model import RondoModel
from ..precision import fast_precision
from ..state import RecurrentState
from .input_layer import InputLayer
from .library import Kernels
from .loading import fastest_kernels
from .operands import Copied, Known, Rows
from .packing import Numbers, PackedWeights, aligned, pack, pack_lstm, padded_columns
from .running import NativeState, Sources
from .scores import NativeScores


@dataclass(frozen=True, slots=True)
class _Decoder:
    """The packed weights of a decoder head."""

    memory: PackedWeights
    query: PackedWeights
    top: PackedWeights
    second_query: PackedWeights | None
    combine: PackedWeights
    output: PackedWeights
    copy_gate: PackedWeights | None
    scale: float


@dataclass(frozen=True, slots=True)
class _LanguageModel:
    """The packed weights of a language model head."""

    top: PackedWeights | None
    projection: PackedWeights
    output: PackedWeights


@dataclass(frozen=True, slots=True)
class _Classifier:
    """The packed weights of a classifier head.

    Attributes:
        reads: numbers of a state that it reads.
        query: (reads,), of the attention.
        places: of the attention's sum, the maximum and the mean among the poolings; negative where there is none.
        ngrams: (buckets, labels).
    """

    reads: int
    query: Tensor | None
    places: tuple[int, ...]
    num_places: int
    hidden: PackedWeights
    output: PackedWeights
    ngrams: Tensor | None
    longest_ngram: int
    each_ngram_once: bool


class NativeExecutor:
    """Runs one model on processors with AVX2; heads of a shape that the kernels don't know go to plain PyTorch.

    Args:
        forbidden: ids that must never be written.
        precision: "int16" with kernels for such integers and no others. "bfloat16": one part where numbers go into
            products in parts; else two.
        avoidable: sets of ids that searches may avoid, by their names.
    """

    gains_by_rough = False
    smallest_group = 32  # padding is not read; what each group costs besides its products is

    def __init__(
        self,
        model: RondoModel,
        kernels: Kernels,
        forbidden: Sequence[int],
        precision: Precision,
        avoidable: Mapping[str, Sequence[int]] | None = None,
    ) -> None:
        self._model = model
        self._kernels = kernels
        numbers = kernels.numbers
        assert (precision == "int16") == (numbers == "int16")
        self._reference = TorchExecutor(model, forbidden, "float32" if precision == "int16" else precision, avoidable)
        self._parts = 1 if precision == "bfloat16" else 2
        backbone = model.backbone
        size = backbone.config
        embedding, scale = backbone.embedding.weight, size.embedding_size**0.5
        self._stacks: dict[Direction, InputLayer] = {
            "forward": InputLayer.of(_only_layer(backbone.forward_stack), embedding, scale, numbers),
            "backward": InputLayer.of(_only_layer(backbone.backward_stack), embedding, scale, numbers),
        }
        self._output = pack(
            embedding,
            torch.zeros(size.vocabulary_size),
            [size.embedding_size],
            numbers,
            screened=kernels.can_screen,
        )
        self._choosable = _all_but(forbidden, size.vocabulary_size)
        self._without = {
            name: _all_but([*forbidden, *ids], size.vocabulary_size) for name, ids in (avoidable or {}).items()
        }
        self._decoders: dict[str, _Decoder] = {}
        self._language_models: dict[str, _LanguageModel] = {}
        self._classifiers: dict[str, _Classifier] = {}
        self._taggers = {name for name in model.heads if isinstance(model.head(name), TaggerHead)}
        for name in model.heads:
            head = model.head(name)
            if isinstance(head, Seq2SeqHead) and _is_known(head):
                self._decoders[name] = self._packed_decoder(head)
            elif isinstance(head, LanguageModelHead):
                self._language_models[name] = self._packed_language_model(head)
            elif isinstance(head, ClassifierHead):
                self._classifiers[name] = _packed_classifier(head, numbers)

    @property
    def is_batch_invariant(self) -> bool:
        """As `Executor`; not if a head goes to plain PyTorch."""
        known = self._decoders.keys() | self._language_models.keys() | self._classifiers.keys() | self._taggers
        return set(self._model.heads) == known

    def _with_bias(self, bias: Tensor) -> PackedWeights:
        """The output layer of one head: the embedding exists once, the bias is the head's own."""
        return replace(self._output, bias=padded_columns(bias.detach().float()))

    def _packed_decoder(self, head: Seq2SeqHead) -> _Decoder:
        hidden, lower = head.config.hidden_size, self._model.backbone.config.hidden_size
        seen = [hidden] * (3 if head.second_attention is not None else 2)
        second, gate = head.second_attention, head.copy_gate
        numbers = self._kernels.numbers
        return _Decoder(
            pack(head.memory.weight, head.memory.bias, [2 * lower], numbers),
            pack(head.attention.query.weight, torch.zeros(hidden), [lower], numbers),
            _packed_stack(head.top, [lower, hidden], numbers),
            None if second is None else pack(second.query.weight, torch.zeros(hidden), [hidden], numbers),
            pack(head.combine.weight, head.combine.bias, seen, numbers),
            self._with_bias(head.output_bias),
            None if gate is None else pack(gate.weight, gate.bias, seen, numbers),
            head.attention.scale,
        )

    def _packed_language_model(self, head: LanguageModelHead) -> _LanguageModel:
        size = self._model.backbone.config.hidden_size
        numbers = self._kernels.numbers
        return _LanguageModel(
            None if head.top is None else _packed_stack(head.top, [size], numbers),
            pack(head.projection.weight, head.projection.bias, [size], numbers),
            self._with_bias(head.output_bias),
        )

    def _read(self, direction: Direction, ids: Tensor, lengths: Tensor, out: Tensor) -> None:
        hidden, cell = (tensor[0] for tensor in self._model.backbone.forward_stack.initial_state(len(lengths)).tensors)
        stack, backward = self._stacks[direction], direction == "backward"
        vectors, state = stack.vectors(ids), (hidden, cell)
        self._kernels.lstm_sequence(vectors, lengths, state, stack.weights, out, self._parts, backward=backward)

    def encode(self, ids: Tensor, lengths: Tensor, *, rough: bool) -> Encoded:
        """As `Executor`."""
        size = self._model.backbone.config.hidden_size
        outputs = torch.empty(*ids.shape, 2 * size)
        self._read("forward", ids, lengths, outputs)
        self._read("backward", ids, lengths, outputs[:, :, size:])
        return Encoded(ids, lengths, outputs, length_mask(lengths, ids.shape[1]))

    def read_part(
        self, direction: Direction, ids: Tensor, lengths: Tensor, state: RecurrentState, *, rough: bool
    ) -> tuple[Tensor, RecurrentState]:
        """As `Executor`."""
        stack = self._stacks[direction]
        return self._go_on(stack.weights, stack.vectors(ids), lengths, state)

    def _go_on(
        self, weights: PackedWeights, vectors: Rows | Known, lengths: Tensor, before: RecurrentState
    ) -> tuple[Tensor, RecurrentState]:
        """Outputs (batch, time, hidden) of one layer, and each sequence's state after its own end."""
        assert vectors.index is not None
        hidden, cell = (tensor[0].clone() for tensor in before.tensors)
        out = torch.empty(*vectors.index.shape, hidden.shape[-1])
        self._kernels.lstm_sequence(vectors, lengths, (hidden, cell), weights, out, self._parts)
        return out, RecurrentState((hidden[None], cell[None]))

    def read_prompts(self, head: str, ids: Tensor, lengths: Tensor, before: PromptState) -> PromptState:
        """As `Executor`."""
        return self._read_prompts(head, ids, lengths, before)[1]

    def _read_prompts(
        self, head: str, ids: Tensor, lengths: Tensor, before: PromptState
    ) -> tuple[list[Tensor], PromptState]:
        """Outputs (batch, time, hidden) of each layer, and the state after each prompt's end."""
        stack = self._stacks["forward"]
        outputs, lower = self._go_on(stack.weights, stack.vectors(ids), lengths, before.lower)
        hidden = lower.tensors[0][0]
        weights = self._language_models[head].top
        if weights is None or before.top is None:
            return [outputs], PromptState(lower, None, hidden)
        flat = Rows(outputs.view(-1, outputs.shape[-1]), torch.arange(ids.numel()).view(ids.shape))
        upper, top = self._go_on(weights, flat, lengths, before.top)
        return [outputs, upper], PromptState(lower, top, hidden + top.tensors[0][0])

    def read_whole(self, head: str, ids: Tensor, before: PromptState) -> tuple[Tensor, PromptState]:
        """As `Executor`."""
        layers, state = self._read_prompts(head, ids, torch.tensor([ids.shape[1]]), before)
        return torch.stack(layers).sum(dim=0)[0], state

    def scores(self, head: str, hidden: Tensor) -> NativeScores:
        """As `Executor`."""
        weights = self._language_models[head]
        features = self._kernels.linear([Rows(hidden)], weights.projection, len(hidden), self._parts)
        return NativeScores(self._kernels, features, weights.output, self._choosable, self._without, self._parts)

    def classify(self, head: str, encoded: Encoded) -> Tensor:
        """As `Executor`."""
        own, kernels, parts = self._classifiers[head], self._kernels, self._parts
        ids, lengths, num_rows = encoded.ids.contiguous(), encoded.lengths, len(encoded.lengths)
        states = encoded.outputs.contiguous()
        pooled = kernels.pool(states, lengths, own.reads, own.query, own.places, own.num_places)
        hidden = kernels.linear([Rows(pooled)], own.hidden, num_rows, parts, tanh=True)
        logits = kernels.linear([Rows(hidden)], own.output, num_rows, parts)
        units, num_units = self._model.classifier(head).ngram_units(ids, lengths)
        return kernels.label_probabilities(
            logits, units, num_units, own.ngrams, own.longest_ngram, once=own.each_ngram_once
        )

    def tag(self, head: str, encoded: Encoded, sizes: Sequence[Sequence[int]]) -> list[Tensor]:
        """As `Executor`, by plain PyTorch: of one text at a time, so that no other changes a bit of it."""
        return [self._reference.tag(head, encoded.row(row), [words])[0] for row, words in enumerate(sizes)]

    def begin(self, head: str, encoded: Encoded) -> RowsState:
        """As `Executor`."""
        decoder = self._decoders.get(head)
        if decoder is None:
            return self._reference.begin(head, encoded)
        num_rows = len(encoded.lengths)
        outputs = encoded.outputs.reshape(-1, encoded.outputs.shape[-1])
        real = encoded.mask.reshape(-1).nonzero().squeeze(1)
        values = self._kernels.linear([Rows(outputs, real)], decoder.memory, len(real), self._parts)
        ids = encoded.ids[encoded.mask] if decoder.copy_gate is not None else encoded.ids.new_empty(0)
        backbone = self._model.backbone
        return NativeState(
            backbone.forward_stack.initial_state(num_rows),
            self._model.seq2seq(head).top.initial_state(num_rows),
            Sources.of(values, ids, encoded.lengths),
        )

    def first_step(self, head: str, read: PromptState) -> Stepped:
        """As `Executor`."""
        return Stepped(self.scores(head, read.hidden), NativeState(read.lower, read.top))

    def step(self, lanes: Sequence[Lane]) -> list[Stepped]:
        """As `Executor`."""
        native = [lane for lane in lanes if isinstance(lane.state, NativeState)]
        plain = [lane for lane in lanes if not isinstance(lane.state, NativeState)]
        done = dict(zip(map(id, native), self._step(native), strict=True)) if native else {}
        if plain:
            done.update(zip(map(id, plain), self._reference.step(plain), strict=True))
        return [done[id(lane)] for lane in lanes]

    def _step(self, lanes: Sequence[Lane]) -> list[Stepped]:
        states = [cast("NativeState", lane.state) for lane in lanes]
        ids = torch.cat([lane.ids for lane in lanes])
        before, index = states[0].lower, states[0].index
        if len(lanes) > 1:
            before, index = RecurrentState.concat([state.gathered_lower() for state in states]), None
        stack = self._stacks["forward"]
        lower = self._step_layer([stack.vectors(ids)], before, index, stack.weights, len(ids))
        results, begin = [], 0
        for lane, state in zip(lanes, states, strict=True):
            rows = slice(begin, begin + len(lane.ids))
            begin = rows.stop
            own = RecurrentState(tuple(tensor[:, rows] for tensor in lower.tensors))
            if lane.head in self._decoders:
                results.append(self._step_decoder(lane.head, own, state))
            else:
                results.append(self._step_language_model(lane.head, own, state))
        return results

    def _step_layer(
        self,
        inputs: Sequence[Rows | Known],
        before: RecurrentState,
        index: Tensor | None,
        weights: PackedWeights,
        num_rows: int,
    ) -> RecurrentState:
        hidden, cell = (tensor[0] for tensor in before.tensors)
        read = [own for own in inputs if isinstance(own, Rows)]
        known = next((own for own in inputs if isinstance(own, Known)), None)
        new = self._kernels.lstm_step(
            [*read, Rows(hidden, index)], Rows(cell, index), weights, num_rows, self._parts, known
        )
        return RecurrentState(tuple(tensor[None] for tensor in new))

    def _step_language_model(self, head: str, lower: RecurrentState, state: NativeState) -> Stepped:
        hidden = lower.tensors[0][0]
        weights = self._language_models[head].top
        if weights is None or state.top is None:
            return Stepped(self.scores(head, hidden), NativeState(lower))
        top = self._step_layer([Rows(hidden)], state.top, state.index, weights, len(hidden))
        return Stepped(self.scores(head, hidden + top.tensors[0][0]), NativeState(lower, top))

    def _step_decoder(self, head: str, lower: RecurrentState, state: NativeState) -> Stepped:
        decoder, kernels, parts = self._decoders[head], self._kernels, self._parts
        sources, hidden = state.sources, lower.tensors[0][0]
        assert sources is not None
        assert state.top is not None
        num_rows = len(hidden)
        query = kernels.linear([Rows(hidden)], decoder.query, num_rows, parts)
        context, alignment = kernels.attend(query, sources.addresses, sources.lengths, decoder.scale)
        attention = alignment
        top = self._step_layer([Rows(hidden), Rows(context)], state.top, state.index, decoder.top, num_rows)
        seen = [Rows(top.tensors[0][0]), Rows(context)]
        if decoder.second_query is not None:
            query = kernels.linear(seen[:1], decoder.second_query, num_rows, parts)
            context, attention = kernels.attend(query, sources.addresses, sources.lengths, decoder.scale)
            seen.append(Rows(context))
        features = kernels.linear(seen, decoder.combine, num_rows, parts, tanh=True)
        copied = None
        if decoder.copy_gate is not None:
            gate = kernels.linear(seen, decoder.copy_gate, num_rows, parts)
            held = [ids for _, ids in sources.batches.values()]
            copied = Copied(gate, sources.id_addresses, sources.lengths, attention, held)
        scores = NativeScores(kernels, features, decoder.output, self._choosable, self._without, parts, copied)
        return Stepped(scores, NativeState(lower, top, sources), alignment)


def _all_but(ids: Sequence[int], vocabulary_size: int) -> Tensor:
    """0 a token, or minus infinity for one of `ids`, padded as the weights are."""
    closed = torch.zeros(vocabulary_size).index_fill_(0, torch.tensor(sorted(ids), dtype=torch.int64), -torch.inf)
    return padded_columns(closed, -torch.inf)


def _only_layer(stack: RecurrentStack) -> torch.nn.LSTM:
    assert isinstance(stack.layers, torch.nn.LSTM)
    return stack.layers


def _packed_stack(stack: RecurrentStack, widths: Sequence[int], numbers: Numbers) -> PackedWeights:
    return pack_lstm(_only_layer(stack), widths, numbers)


def _packed_classifier(head: ClassifierHead, numbers: Numbers) -> _Classifier:
    config, reads = head.config, head.hidden.in_features // len(head.config.poolings)
    return _Classifier(
        reads,
        None if head.attention is None else aligned(head.attention.weight.detach().float()),
        tuple(config.poolings.index(name) if name in config.poolings else -1 for name in POOLINGS),
        len(config.poolings),
        pack(head.hidden.weight, head.hidden.bias, [head.hidden.in_features], numbers),
        pack(head.output.weight, head.output.bias, [head.output.in_features], numbers),
        None if head.ngrams is None else head.ngrams.weight.detach(),
        config.longest_ngram,
        config.each_ngram_once,
    )


def _is_known(head: Seq2SeqHead) -> bool:
    parts = {"memory", "attention", "top", "second_attention", "combine", "copy_gate"}
    return head.config.attention == "dot" and not head.config.sequential and set(dict(head.named_children())) <= parts


def _kernels_for(model: RondoModel, numbers: Numbers | None = None) -> Kernels | None:
    config = model.backbone.config
    known = config.cell == "lstm" and config.num_layers == 1 and config.encoder == "recurrent"
    return fastest_kernels(numbers) if known and not config.layer_norm else None


def fast_precision_of(model: RondoModel) -> Precision:
    """The precision in which `model` is fast on this processor."""
    kernels = _kernels_for(model)
    if kernels is None:
        return fast_precision()
    return "int16" if kernels.numbers == "int16" else "mixed"


def executor_for(
    model: RondoModel,
    forbidden: Sequence[int],
    precision: Precision,
    avoidable: Mapping[str, Sequence[int]] | None = None,
) -> Executor:
    """The fastest there is for `model` on this processor in a precision; "float32" asks for the reference.

    Args:
        forbidden: ids that must never be written.
        avoidable: sets of ids that searches may avoid, by their names.

    Raises:
        ConfigError: there are no kernels for `model` with 16-bit integers, and these are asked for.
    """
    if precision == "float32":
        return TorchExecutor(model, forbidden, precision, avoidable)
    kernels = _kernels_for(model, "int16" if precision == "int16" else "bfloat16")
    if kernels is not None:
        return NativeExecutor(model, kernels, forbidden, precision, avoidable)
    if precision == "int16":
        raise ConfigError(
            "precision int16 needs a bundle with LSTMs of one layer without layer normalisation, and kernels that were "
            "compiled for this processor when Rondo was installed; float32 and mixed run everywhere"
        )
    return TorchExecutor(model, forbidden, precision, avoidable)
