"""The native executor against plain PyTorch, which is the reference."""

from collections.abc import Sequence
from typing import get_args

import pytest
import torch

from rondo_models.backbone import BackboneConfig
from rondo_models.cells import Cell
from rondo_models.config import ConfigError, Precision
from rondo_models.decoding.lanes import Lane
from rondo_models.decoding.parameters import BeamParameters, SamplingParameters
from rondo_models.decoding.prompts import PromptState, nothing_read
from rondo_models.decoding.search import decode_batch, generate
from rondo_models.executor import Executor, TorchExecutor
from rondo_models.heads.classifier import ClassifierConfig
from rondo_models.heads.language_model import LanguageModelConfig
from rondo_models.heads.seq2seq import Seq2SeqConfig
from rondo_models.model import HeadConfig, RondoModel
from rondo_models.native.executor import NativeExecutor, executor_for, fast_precision_of
from rondo_models.native.library import Kernels
from rondo_models.native.loading import fastest_kernels, load_kernels
from rondo_models.native.running import Sources
from rondo_models.precision import fast_precision
from rondo_models.training.sequences import padded

END = 3
FORBIDDEN = (0, 1, 2)
SOURCES = [[4, 5, 6, END], [7, END], [8, 9, 10, 11, 12, 13, END], [END]] * 5
HEADS: dict[str, HeadConfig] = {
    "sentiment": ClassifierConfig(labels=("no", "yes"), hidden_size=8, ngram_buckets=64),
    "generation": LanguageModelConfig(top_layer=True),
    "flat_generation": LanguageModelConfig(),
    "translation": Seq2SeqConfig(hidden_size=20, attend_twice=True),
    "summarization": Seq2SeqConfig(hidden_size=12, copy=True),
    "other": Seq2SeqConfig(hidden_size=12, attention="additive", input_feeding=True, coverage=True, copy=True),
    "running_sentiment": ClassifierConfig(labels=("a", "b", "c"), hidden_size=8, poolings=("max",), reads="forward"),
}


def _model(cell: Cell = "lstm", num_layers: int = 1, *, layer_norm: bool = False) -> RondoModel:
    torch.manual_seed(0)
    size = BackboneConfig(90, cell, embedding_size=12, hidden_size=18, num_layers=num_layers, layer_norm=layer_norm)
    model = RondoModel(size, HEADS).eval().requires_grad_(False)
    model.backbone.embedding.weight.mul_(3)  # so that no two tokens are equally likely
    ngrams = model.classifier("sentiment").ngrams
    assert ngrams is not None
    torch.nn.init.normal_(ngrams.weight)
    return model


@pytest.fixture
def model() -> RondoModel:
    return _model()


@pytest.fixture
def near(kernels: Kernels) -> float:
    """How close what is read comes."""
    return 3e-4 if kernels.numbers == "int16" else 1e-5


@pytest.fixture
def executors(model: RondoModel, kernels: Kernels, precision: Precision) -> tuple[Executor, Executor]:
    """The native one and the reference."""
    avoidable = {"even": list(range(4, 90, 2))}
    native = NativeExecutor(model, kernels, FORBIDDEN, precision, avoidable)
    return native, TorchExecutor(model, FORBIDDEN, avoidable=avoidable)


def test_what_the_kernels_know_runs_on_them() -> None:
    expected = TorchExecutor if fastest_kernels("bfloat16") is None else NativeExecutor
    assert isinstance(executor_for(_model(), FORBIDDEN, "mixed"), expected)


def test_what_the_kernels_do_not_know_runs_on_pytorch() -> None:
    assert isinstance(executor_for(_model(), FORBIDDEN, "float32"), TorchExecutor)
    assert isinstance(executor_for(_model("gru"), FORBIDDEN, "mixed"), TorchExecutor)
    assert isinstance(executor_for(_model("lstm", 2), FORBIDDEN, "mixed"), TorchExecutor)


@pytest.mark.parametrize("rough", [True, False])
@torch.inference_mode()
def test_reading(executors: tuple[Executor, Executor], near: float, rough: bool) -> None:
    native, reference = (executor.encode(*padded(SOURCES, 0), rough=rough) for executor in executors)
    outputs = reference.outputs * reference.mask[:, :, None]
    torch.testing.assert_close(native.outputs, outputs, atol=near, rtol=near)
    assert torch.equal(native.mask, reference.mask)


@torch.inference_mode()
def test_reading_in_parts(model: RondoModel, executors: tuple[Executor, Executor], near: float) -> None:
    ids, lengths = padded([list(range(4, 12)), list(range(30, 38))], 0)
    for executor in executors:
        state = model.backbone.backward_stack.initial_state(2)
        parts = []
        for part in torch.split(ids, 3, dim=1):
            length = torch.full((2,), part.shape[1])
            outputs, state = executor.read_part("backward", part, length, state, rough=False)
            parts.append(outputs)
        whole = executors[1].encode(ids.flip(1), lengths, rough=False).outputs[:, :, 18:].flip(1)
        torch.testing.assert_close(torch.cat(parts, dim=1), whole, atol=near, rtol=1e-4)


@pytest.mark.parametrize("head", ["sentiment", "running_sentiment"])
@torch.inference_mode()
def test_classifying(executors: tuple[Executor, Executor], head: str) -> None:
    native, reference = (
        executor.classify(head, executor.encode(*padded(SOURCES, 0), rough=True)) for executor in executors
    )
    torch.testing.assert_close(native, reference, atol=1e-5, rtol=1e-5)
    assert len({tuple(row) for row in native.tolist()}) == 4  # of four sources


@pytest.mark.parametrize("head", ["translation", "summarization", "other"])
@pytest.mark.parametrize(
    "parameters",
    [
        BeamParameters(1, max_tokens=9),
        BeamParameters(4, max_tokens=9, num_best=4),
        BeamParameters(3, max_tokens=9, num_best=3, avoid="even"),
        BeamParameters(3, max_tokens=12, no_repeat_ngram=2, coverage_penalty=0.2),
        BeamParameters(2, max_tokens=12, required=(((20, 21),), ((22,), (20, 23, 24))), max_repeats=1),
    ],
)
@torch.inference_mode()
def test_searches_find_the_same(executors: tuple[Executor, Executor], head: str, parameters: BeamParameters) -> None:
    found = []
    for executor in executors:
        encoded = executor.encode(*padded(SOURCES, 0), rough=False)
        first_ids = [2] * len(SOURCES)
        found.append(decode_batch(executor, head, encoded, first_ids, parameters, END, return_attention=True))
    for native, reference in zip(*found, strict=True):
        assert [h.ids for h in native] == [h.ids for h in reference]
        if parameters.avoid:
            assert all(token % 2 for h in native for token in h.ids)
        assert [h.score for h in native] == pytest.approx([h.score for h in reference], abs=1e-3)
        for one, other in zip(native, reference, strict=True):
            assert one.attention is not None
            torch.testing.assert_close(torch.tensor(one.attention), torch.tensor(other.attention), atol=1e-4, rtol=1e-3)


def _read(executor: Executor, head: str, prompts: Sequence[Sequence[int]], before: PromptState) -> PromptState:
    return executor.read_prompts(head, *padded(prompts, 0), before)


@pytest.mark.parametrize("head", ["generation", "flat_generation"])
@torch.inference_mode()
def test_prompts_and_what_follows_them(model: RondoModel, executors: tuple[Executor, Executor], head: str) -> None:
    prompts = [[5, 6, 7, 8], [9], [10, 11]]
    tables = []
    for executor in executors:
        read = _read(executor, head, prompts, nothing_read(model, head, 3))
        stepped = executor.first_step(head, _read(executor, head, [[20], [21, 22], [23, 24]], read))
        (stepped,) = executor.step([Lane(head, torch.tensor([30, 31]), stepped.state.select(torch.tensor([2, 0])))])
        tables.append(stepped.scores.table([1, 0]))
    torch.testing.assert_close(tables[0], tables[1], atol=1e-4, rtol=1e-4)
    assert (tables[0][:, list(FORBIDDEN)] == -torch.inf).all()


@pytest.mark.parametrize(
    "changes", [{"temperature": 0}, {"seed": 5, "top_k": 9}, {"seed": 6, "repetition_penalty": 1.2}]
)
@torch.inference_mode()
def test_generation_writes_the_same(
    model: RondoModel, executors: tuple[Executor, Executor], changes: dict[str, float]
) -> None:
    parameters = SamplingParameters(max_tokens=20, **changes)  # type: ignore[arg-type]
    before = nothing_read(model, "generation", 1)
    native, reference = (
        generate(executor, "generation", [5, 6], before, parameters, END).ids for executor in executors
    )
    assert native == reference


@torch.inference_mode()
def test_lanes_of_all_heads_in_one_step(model: RondoModel, executors: tuple[Executor, Executor]) -> None:
    """Rows that joined, were reordered and left, of heads that the kernels know and one that they don't."""
    order = torch.tensor([5, 0, 0, 3])
    tables = []
    for executor in executors:
        lanes = []
        for head in ("translation", "other", "summarization"):
            first, second = (executor.encode(*padded(part, 0), rough=False) for part in (SOURCES[:4], SOURCES[4:7]))
            state = executor.begin(head, first).joined(executor.begin(head, second))
            lanes.append(Lane(head, torch.arange(4, 8), state.select(order)))
        read = _read(executor, "generation", [[5, 6], [7]], nothing_read(model, "generation", 2))
        lanes.append(Lane("generation", torch.tensor([8, 9]), executor.first_step("generation", read).state))
        for _ in range(2):
            done = executor.step(lanes)
            lanes = [Lane(lane.head, lane.ids, stepped.state) for lane, stepped in zip(lanes, done, strict=True)]
        tables.append([stepped.scores.table(range(stepped.scores.num_rows)) for stepped in done])
    for native, reference in zip(*tables, strict=True):
        torch.testing.assert_close(native, reference, atol=1e-3, rtol=1e-3)


def test_how_rough_each_precision_is(model: RondoModel, kernels: Kernels, near: float) -> None:
    """bfloat16 only where numbers go into products in parts; else it makes no difference."""
    ids, lengths = padded(SOURCES, 0)
    reference = TorchExecutor(model, FORBIDDEN).encode(ids, lengths, rough=False)
    precisions = [name for name in get_args(Precision) if (name == "int16") == (kernels.numbers == "int16")]
    assert precisions
    for precision in precisions:
        outputs = NativeExecutor(model, kernels, FORBIDDEN, precision).encode(ids, lengths, rough=False).outputs
        error = float((outputs - reference.outputs * reference.mask[:, :, None]).abs().max())
        is_rough = precision == "bfloat16" and kernels is load_kernels("amx")
        assert 1e-4 < error < 2e-2 if is_rough else error < near, precision


def test_precisions_without_kernels_for_them(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="int16 needs a bundle with LSTMs of one layer"):
        executor_for(_model("gru"), FORBIDDEN, "int16")
    monkeypatch.setattr("rondo_models.native.executor.fastest_kernels", lambda numbers: None)
    assert isinstance(executor_for(_model(), FORBIDDEN, "mixed"), TorchExecutor)
    assert fast_precision_of(_model()) == fast_precision()
    with pytest.raises(ConfigError, match="kernels that were compiled for this processor"):
        executor_for(_model(), FORBIDDEN, "int16")


@torch.inference_mode()
def test_a_layer_normalised_model_is_served_by_plain_pytorch(kernels: Kernels) -> None:
    model = _model(layer_norm=True)
    assert fast_precision_of(model) == fast_precision()
    executor = executor_for(model, FORBIDDEN, "mixed")
    assert isinstance(executor, TorchExecutor)
    reference = TorchExecutor(model, FORBIDDEN)
    found, expected = (own.encode(*padded(SOURCES, 0), rough=False) for own in (executor, reference))
    assert torch.equal(found.outputs, expected.outputs)
    hypotheses = [
        decode_batch(own, "translation", expected, [2] * len(SOURCES), BeamParameters(3, max_tokens=9), END)
        for own in (executor, reference)
    ]
    assert [[h.ids for h in best] for best in hypotheses[0]] == [[h.ids for h in best] for best in hypotheses[1]]
    with pytest.raises(ConfigError, match="int16 needs a bundle with LSTMs of one layer without layer normalisation"):
        executor_for(model, FORBIDDEN, "int16")


def test_the_fast_precision_is_that_of_the_fastest_kernels() -> None:
    fastest = fastest_kernels()
    if fastest is None:
        pytest.skip("there are no compiled kernels for this processor")
    assert fast_precision_of(_model()) == ("int16" if fastest.numbers == "int16" else "mixed")
    assert isinstance(executor_for(_model(), FORBIDDEN, fast_precision_of(_model())), NativeExecutor)


def test_sources_are_held_as_long_as_a_row_attends_to_them() -> None:
    values, ids = [torch.randn(5, 8), torch.randn(4, 8)], [torch.arange(5), torch.arange(4)]
    lengths = [torch.tensor([2, 3]), torch.tensor([1, 2, 1])]
    first, second = (Sources.of(*own) for own in zip(values, ids, lengths, strict=True))
    both = first.joined(second)
    for addresses, own in ((both.addresses, values), (both.id_addresses, ids)):
        begins = [own[0], own[0][2:], own[1], own[1][1:], own[1][3:]]
        assert addresses.tolist() == [begin.data_ptr() for begin in begins]
    assert both.lengths.tolist() == [2, 3, 1, 2, 1]
    for rows, held in (([3, 1], [0, 1]), ([4, 2, 2], [1]), ([0], [0])):
        some = both.select(torch.tensor(rows))
        assert some.addresses.tolist() == both.addresses[rows].tolist()
        assert {own.data_ptr() for own, _ in some.batches.values()} == {values[number].data_ptr() for number in held}
    again = both.select(torch.tensor([0, 2])).joined(both.select(torch.tensor([1])))  # as after a pause
    assert len(again.batches) == 2
