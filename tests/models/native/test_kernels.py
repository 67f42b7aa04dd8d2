"""Each kernel against the same in plain PyTorch, with sizes that fill no tile."""

import platform
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from rondo_models.attention import Attention
from rondo_models.backbone import Backbone, BackboneConfig, Encoded, length_mask
from rondo_models.cells import RecurrentStack
from rondo_models.decoding.parameters import SamplingParameters
from rondo_models.decoding.sampling import Sampler, choose
from rondo_models.heads.classifier import POOLINGS, ClassifierConfig, ClassifierHead, Pooling, Reads
from rondo_models.native.library import Kernels
from rondo_models.native.loading import KINDS, fastest_kernels, library_path, load_kernels
from rondo_models.native.operands import Copied, Rows
from rondo_models.native.packing import Numbers, pack, pack_lstm, padded_columns
from rondo_models.state import RecurrentState

NEAR = 1e-4
"""Two parts keep 16 bits of a number."""
WHOLE = 1e-3
"""Integers keep 14 of the largest number of a row, and as many of the largest weight of a column."""
ROUGH = 3e-2
"""One part keeps 8."""


def _assert_close(found: Tensor, expected: Tensor, tolerance: float = NEAR) -> None:
    torch.testing.assert_close(found, expected, atol=tolerance, rtol=tolerance)


@pytest.fixture
def near(kernels: Kernels) -> float:
    """How close products come."""
    return WHOLE if kernels.numbers == "int16" else NEAR


@pytest.fixture(autouse=True)
def _without_gradients() -> None:
    torch.manual_seed(3)


@pytest.mark.parametrize("kind", KINDS)
def test_they_are_built_where_they_can_be(kind: str) -> None:
    capabilities = torch.cpu.get_capabilities()
    has_all = all(capabilities.get(name) for name in KINDS[kind].needs)
    can = has_all and shutil.which("c++") and platform.system() == "Linux"
    assert (load_kernels(kind) is not None) == bool(can)


def test_those_of_other_sources_are_not_used(
    kernels: Kernels, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (kind,) = (kind for kind in KINDS if load_kernels(kind) is kernels)
    assert load_kernels.__wrapped__(kind) is not None
    monkeypatch.setattr("rondo_models.native.loading.INTERFACE", -1)
    assert load_kernels.__wrapped__(kind) is None
    assert f"_kernels_{kind}.so is of another version of Rondo and not used: install Rondo again" in caplog.text


@pytest.mark.parametrize("share", [0.0, 0.5, 0.999])
def test_broken_ones_are_not_used(
    kernels: Kernels, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture, share: float
) -> None:
    """Each ended the process: of a library that is cut off the system may miss a page, which is a bus error."""
    (kind,) = (kind for kind in KINDS if load_kernels(kind) is kernels)
    whole = library_path(kind).read_bytes()
    (tmp_path / "cut.so").write_bytes(whole[: int(share * len(whole))])
    monkeypatch.setattr("rondo_models.native.loading.library_path", lambda kind: tmp_path / "cut.so")
    assert load_kernels.__wrapped__(kind) is None
    assert caplog.text.count("cut.so can't be loaded and is not used") == 1


@pytest.mark.parametrize("numbers", [None, "bfloat16", "int16"])
def test_the_fastest_are_taken(numbers: Numbers | None) -> None:
    found = [kernels for kind in KINDS if (kernels := load_kernels(kind)) is not None]
    suitable = [kernels for kernels in found if numbers in (None, kernels.numbers)]
    assert fastest_kernels(numbers) is (suitable[0] if suitable else None)


@pytest.mark.parametrize("parts", [1, 2])
@pytest.mark.parametrize("num_rows", [1, 16, 37])
@pytest.mark.parametrize("tanh", [True, False])
@torch.inference_mode()
def test_linear(kernels: Kernels, near: float, parts: int, num_rows: int, tanh: bool) -> None:
    inputs = [torch.randn(num_rows, 20), torch.randn(50, 33)]
    index = torch.randint(50, (num_rows,))
    weight, bias = torch.randn(70, 53) / 7, torch.randn(70)
    rows = [Rows(inputs[0]), Rows(inputs[1], index, scale=0.5)]
    expected = functional.linear(torch.cat([inputs[0], 0.5 * inputs[1][index]], dim=1), weight, bias)
    found = kernels.linear(rows, pack(weight, bias, [20, 33], kernels.numbers), num_rows, parts, tanh=tanh)
    _assert_close(found, expected.tanh() if tanh else expected, near if parts == 2 else ROUGH)


@torch.inference_mode()
def test_no_sum_wraps_around(kernels: Kernels) -> None:
    """Weights and inputs that all add up, and weights of which only one counts."""
    depth = 640
    weight = torch.cat([torch.ones(3, depth), torch.randn(3, depth).sign(), torch.zeros(3, depth)])
    weight[6:, torch.tensor([0, 63, 639])] = torch.eye(3) * 2.0**100
    weight[2], weight[5] = 1e20, 1e-5 * weight[5]
    x = torch.cat([torch.ones(2, depth), weight[3:6].sign(), 2.0**20 * torch.ones(1, depth)])
    x[1] = -1.0
    found = kernels.linear([Rows(x)], pack(weight, torch.zeros(9), [depth], kernels.numbers), len(x), 2)
    expected = x.double() @ weight.double().T
    size = x.double().abs() @ weight.double().abs().T
    assert ((found - expected).abs() <= 3e-4 * size).all()
    assert (expected.abs() == size).sum() > 20


@pytest.mark.parametrize("size", [1e-35, 1e-12, 1.0, 1e20])
@torch.inference_mode()
def test_inputs_of_any_size(kernels: Kernels, size: float) -> None:
    """Each row, and each block of its depth, has steps of its own."""
    x, weight = torch.randn(7, 200), torch.randn(70, 200)
    x[:, 64:128] *= size
    x[3] *= 1e-6
    x[4] = 0
    found = kernels.linear([Rows(x)], pack(weight, torch.zeros(70), [200], kernels.numbers), 7, 2)
    expected = x.double() @ weight.double().T
    assert ((found - expected).abs() <= 1e-4 * (x.double().abs() @ weight.double().abs().T)).all()
    assert not found[4].any()


@torch.inference_mode()
def test_a_row_with_no_number_stays_alone(kernels: Kernels) -> None:
    x, weight = torch.randn(9, 200), torch.randn(70, 200)
    packed = pack(weight, torch.zeros(70), [200], kernels.numbers)
    clean = kernels.linear([Rows(x)], packed, 9, 2)
    x[2, 150], x[5, 3], x[7, 199] = torch.nan, torch.inf, -torch.inf
    found = kernels.linear([Rows(x)], packed, 9, 2)
    assert not found[[2, 5, 7]].isfinite().any()
    others = [0, 1, 3, 4, 6, 8]
    assert torch.equal(found[others], clean[others])


@torch.inference_mode()
def test_products_that_integers_hold_are_exact(kernels: Kernels) -> None:
    x, weight = torch.randint(-99, 100, (5, 150)).float(), torch.randint(-99, 100, (70, 150)).float()
    x[:, ::64] = 8192.0  # a step is 1
    found = kernels.linear([Rows(x)], pack(weight, torch.zeros(70), [150], kernels.numbers), 5, 2)
    assert torch.equal(found, x @ weight.T)


@given(rows=st.integers(1, 40), depth=st.integers(1, 300), magnitude=st.floats(1e-4, 1e4), power=st.integers(1, 9))
@settings(max_examples=40, deadline=None)
def test_steps_of_weights(rows: int, depth: int, magnitude: float, power: int) -> None:
    """No product with inputs can leave 32 bits, and weights are as near as their column allows."""
    torch.manual_seed(power)
    weight = magnitude * torch.randn(rows, depth) ** power
    packed = pack(weight, torch.zeros(rows), [depth], "int16")
    assert packed.steps is not None
    steps = packed.steps[:rows]
    tiles = packed.high.view(-1, packed.depth // 64, 4, 32, 16, 2).permute(0, 2, 4, 1, 3, 5)
    integers = tiles.reshape(-1, packed.depth)[:rows].float()
    blocks = integers.view(rows, -1, 64).abs()
    assert blocks.sum(dim=2).max() * 8192 < 2**31
    assert blocks.max() < 2**15
    assert torch.equal(steps.frexp().mantissa, torch.full((rows,), 0.5))
    padded = functional.pad(weight, (0, packed.depth - depth))
    assert ((integers * steps[:, None] - padded).abs() <= steps[:, None] / 2).all()
    used = torch.maximum(blocks.sum(dim=2).amax(dim=1) / 262_143, blocks.amax(dim=(1, 2)) / 32_767)
    assert (used > 0.49).all()  # a step of half the size would be too small


def test_a_column_that_is_no_number() -> None:
    weight = torch.ones(2, 40)
    weight[1, 7] = torch.nan
    packed = pack(weight, torch.zeros(2), [40], "int16")
    assert packed.steps is not None
    assert packed.steps[:2].isnan().tolist() == [False, True]


def test_weights_that_are_bfloat16_need_one_part() -> None:
    weight = torch.randn(64, 32)
    assert pack(weight, torch.zeros(64), [32], "bfloat16").low is not None
    assert pack(weight.bfloat16().float(), torch.zeros(64), [32], "bfloat16").low is None


@torch.inference_mode()
def test_lstm_step_of_chosen_rows(kernels: Kernels, near: float) -> None:
    stack = RecurrentStack("lstm", 23, 21, 1, 0.0)
    assert isinstance(stack.layers, torch.nn.LSTM)
    hidden, cell, inputs = torch.randn(40, 21), torch.randn(40, 21), torch.randn(19, 23)
    index = torch.randint(40, (19,))
    expected, state = stack.step(inputs, RecurrentState((hidden[index][None], cell[index][None])))
    weights = pack_lstm(stack.layers, [11, 12], kernels.numbers)
    own = [Rows(inputs[:, :11]), Rows(inputs[:, 11:]), Rows(hidden, index)]
    new_hidden, new_cell = kernels.lstm_step(own, Rows(cell, index), weights, 19, 2)
    _assert_close(new_hidden, expected, near)
    _assert_close(new_cell, state.tensors[1][0], near)


@pytest.mark.parametrize("backward", [True, False])
@torch.inference_mode()
def test_lstm_sequence_of_unlike_lengths(kernels: Kernels, near: float, backward: bool) -> None:
    stack = RecurrentStack("lstm", 24, 18, 1, 0.0)
    assert isinstance(stack.layers, torch.nn.LSTM)
    table, lengths = torch.randn(30, 24), torch.tensor([3, 7, 1, 7, 5] * 5)
    ids = torch.randint(30, (25, 7))
    before = torch.randn(25, 18), torch.randn(25, 18)
    hidden, cell = before[0].clone(), before[1].clone()
    room = torch.full((25, 7, 40), torch.nan)
    weights = pack_lstm(stack.layers, [24], kernels.numbers)
    vectors = Rows(table, ids, scale=2.0)
    kernels.lstm_sequence(vectors, lengths, (hidden, cell), weights, room, 2, backward=backward)
    assert room[:, :, 18:].isnan().all()
    for row, length in enumerate(lengths.tolist()):
        own = 2.0 * table[ids[row, :length]][None]
        state = RecurrentState((before[0][None, row : row + 1], before[1][None, row : row + 1]))
        outputs, after = stack(own.flip(1) if backward else own, state)
        _assert_close(room[row, :length, :18], (outputs.flip(1) if backward else outputs)[0], near)
        _assert_close(hidden[row], after.tensors[0][0, 0], near)
        _assert_close(cell[row], after.tensors[1][0, 0], near)
        assert not room[row, length:, :18].any()


@torch.inference_mode()
def test_no_sequence_at_all(kernels: Kernels) -> None:
    """How many steps are taken at once was found by dividing by their number, which ended the process."""
    stack = RecurrentStack("lstm", 24, 18, 1, 0.0)
    assert isinstance(stack.layers, torch.nn.LSTM)
    nothing, weights = torch.zeros(0, 3, dtype=torch.int64), pack_lstm(stack.layers, [24], kernels.numbers)
    state, room = (torch.empty(0, 18), torch.empty(0, 18)), torch.empty(0, 3, 18)
    vectors = Rows(torch.randn(30, 24), nothing)
    kernels.lstm_sequence(vectors, nothing[:, 0], state, weights, room, 2, backward=False)


@torch.inference_mode()
def test_attention_over_sources_that_lie_anywhere(kernels: Kernels) -> None:
    attention = Attention("dot", 21, 21, coverage=False)
    lengths = torch.tensor([3, 20, 1])
    sources = [torch.randn(length, 21) for length in lengths.tolist()]
    query = torch.randn(3, 21)
    addresses = torch.tensor([source.data_ptr() for source in sources])
    memory = torch.nn.utils.rnn.pad_sequence(sources, batch_first=True)
    mask = torch.arange(20)[None] < lengths[:, None]
    expected, expected_weights = attention(query[:, None], memory, memory, mask)
    contexts, weights = kernels.attend(attention.query(query), addresses, lengths, attention.scale)
    _assert_close(contexts, expected[:, 0])
    _assert_close(weights, expected_weights[:, 0])


@pytest.mark.parametrize("poolings", [POOLINGS, ("mean", "attention", "max"), ("max",), ("mean", "attention")])
@pytest.mark.parametrize("reads", ["both", "forward"])
@torch.inference_mode()
def test_pooling(kernels: Kernels, poolings: tuple[Pooling, ...], reads: Reads) -> None:
    backbone = Backbone(BackboneConfig(30, hidden_size=41))
    head = ClassifierHead(backbone, ClassifierConfig(("no", "yes"), poolings, reads=reads)).eval()
    lengths, size = torch.tensor([3, 20, 1, 17]), 82 if reads == "both" else 41
    mask = length_mask(lengths, 20)
    states = torch.randn(4, 20, 82).masked_fill_(~mask[:, :, None], torch.nan)  # nobody looks at the padding
    query = None if head.attention is None else head.attention.weight.flatten()
    places = [poolings.index(own) if own in poolings else -1 for own in POOLINGS]
    found = kernels.pool(states, lengths, size, query, places, len(poolings))
    expected = head.pool(Encoded(torch.zeros(4, 20), lengths, states.nan_to_num(0.0), mask))
    _assert_close(found, expected)


@pytest.mark.parametrize("once", [False, True])
@pytest.mark.parametrize(("longest", "num_labels"), [(1, 2), (3, 2), (4, 5)])
@torch.inference_mode()
def test_probabilities_of_labels_with_ngrams(kernels: Kernels, longest: int, num_labels: int, once: bool) -> None:
    labels = tuple(map(str, range(num_labels)))
    config = ClassifierConfig(labels, ngram_buckets=1000, longest_ngram=longest, each_ngram_once=once)
    head = ClassifierHead(Backbone(BackboneConfig(30)), config).eval()
    assert head.ngrams is not None
    head.ngrams.weight.normal_()
    ids, lengths = torch.randint(8000, (6, 300)), torch.tensor([9, 1, 2, 5, 300, 200])
    ids[3:] %= 12  # so that n-grams come again
    logits = torch.randn(6, num_labels)
    sums, counts = head.ngram_sums(ids, lengths)
    found = kernels.label_probabilities(logits.clone(), ids, lengths, head.ngrams.weight, longest, once=once)
    _assert_close(found, (logits + sums / counts.sqrt()).softmax(dim=-1))
    without = kernels.label_probabilities(logits.clone(), ids, lengths, None, longest, once=once)
    _assert_close(without, logits.softmax(dim=-1))


@torch.inference_mode()
def test_tables(kernels: Kernels, near: float) -> None:
    features, weight, bias = torch.randn(70, 32), torch.randn(203, 32), torch.randn(203)
    closed = torch.tensor([0, 7, 202])
    choosable = padded_columns(torch.zeros(203).index_fill_(0, closed, -torch.inf), -torch.inf)
    packed = pack(weight, bias, [32], kernels.numbers)
    scores = functional.linear(features, weight, bias).softmax(dim=-1)
    found = kernels.table([Rows(features)], packed, choosable, 70, 2)
    _assert_close(found, scores.log().index_fill_(1, closed, -torch.inf), near)
    sources = [torch.randint(203, (length,)) for length in range(1, 71)]
    attention = torch.rand(70, 70).tril_()
    gate = 3 * torch.randn(70, 1)
    addresses = torch.tensor([source.data_ptr() for source in sources])
    copied = Copied(gate, addresses, torch.arange(1, 71), attention, sources)
    found = kernels.table([Rows(features)], packed, choosable, 70, 2, copied)
    expected = gate.sigmoid() * scores
    for row, source in enumerate(sources):
        expected[row].index_put_((source,), (1 - gate[row].sigmoid()) * attention[row, : row + 1], accumulate=True)
    _assert_close(found, expected.log().index_fill_(1, closed, -torch.inf), near)


def _likeliest(
    kernels: Kernels, features: Tensor, weight: Tensor, closed: list[int], count: int
) -> tuple[Tensor, Tensor]:
    choosable = torch.zeros(len(weight)).index_fill_(0, torch.tensor(closed, dtype=torch.int64), -torch.inf)
    packed = pack(weight, torch.zeros(len(weight)), [features.shape[1]], kernels.numbers)
    inputs, choosable = [Rows(features)], padded_columns(choosable, -torch.inf)
    found = kernels.likeliest(inputs, packed, choosable, count, len(features), 2)
    assert torch.equal(kernels.likeliest_ids(inputs, packed, choosable, len(features), 2), found[0][:, 0])
    return found


@pytest.mark.parametrize("count", [1, 8])
@torch.inference_mode()
def test_likeliest(kernels: Kernels, near: float, count: int) -> None:
    features, weight = torch.randn(21, 32), torch.randn(203, 32)
    scores = functional.linear(features, weight).log_softmax(dim=-1)
    closed = sorted(set(scores.argmax(dim=-1).tolist()))
    expected = scores.index_fill(1, torch.tensor(closed), -torch.inf).topk(count, dim=-1)
    ids, log_probabilities = _likeliest(kernels, features, weight, closed, count)
    assert ids.tolist() == expected.indices.tolist()
    _assert_close(log_probabilities, expected.values, near)


@torch.inference_mode()
def test_likeliest_among_fewer_than_asked(kernels: Kernels) -> None:
    features, weight = torch.randn(2, 8), torch.randn(5, 8)
    ids, log_probabilities = _likeliest(kernels, features, weight, [0, 4], 5)
    assert [set(row[:3]) for row in ids.tolist()] == [{1, 2, 3}] * 2
    assert log_probabilities[:, :3].isfinite().all()
    assert (log_probabilities[:, 3:] == -torch.inf).all()


@torch.inference_mode()
def test_a_row_without_a_number_has_no_candidate(kernels: Kernels) -> None:
    features = torch.full((1, 8), torch.nan)
    _, log_probabilities = _likeliest(kernels, features, torch.randn(5, 8), [], 2)
    assert not log_probabilities.isfinite().any()


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"temperature": 0.5},
        {"temperature": 5.0},
        {"top_p": 0.6},
        {"top_p": 0.95, "temperature": 0.8},
        {"top_k": 3},
        {"top_k": 500, "top_p": 0.99},
        {"min_p": 0.2},
        {"min_p": 1e-7},
        {"top_k": 10, "top_p": 0.7, "min_p": 0.05, "temperature": 2.0},
        {"top_p": 1e-6},
    ],
)
@torch.inference_mode()
def test_draws_are_those_of_the_reference(kernels: Kernels, near: float, changes: dict[str, Any]) -> None:
    """The same parameters and random numbers, the same tokens; at most one point in a few hundred lies on an edge."""
    features, weight = torch.randn(150, 32), torch.randn(203, 32) / 2
    closed = torch.tensor([0, 7, 202])
    choosable = padded_columns(torch.zeros(203).index_fill_(0, closed, -torch.inf), -torch.inf)
    samplers = [Sampler(SamplingParameters(seed=seed, **changes), [], 3) for seed in range(150)]
    points = [(sampler.parameters, Sampler(sampler.parameters, [], 3).uniform()) for sampler in samplers]
    packed = pack(weight, torch.zeros(203), [32], kernels.numbers)
    ids, log_probabilities = kernels.draw([Rows(features)], packed, choosable, points, 2)
    table = functional.linear(features, weight).log_softmax(dim=-1).index_fill_(1, closed, -torch.inf)
    expected, _ = choose(table, samplers)
    assert int((ids == expected).sum()) >= 149
    _assert_close(log_probabilities, table.gather(1, ids[:, None]).squeeze(1), near)
    assert int((kernels.draw_from(table, points) == expected).sum()) >= 149


@pytest.mark.parametrize("changes", [{}, {"min_p": 1e-9}, {"top_k": 50}, {"top_p": 0.9999999}])
@pytest.mark.parametrize("point", [1 - 2**-24, 1 - 2**-26, 1 - 2**-53])
@torch.inference_mode()
def test_the_highest_random_numbers_draw_what_is_likely(
    kernels: Kernels, point: float, changes: dict[str, Any]
) -> None:
    """As a float32 number they became 1, and drew the last token, whose probability was nothing."""
    scores = torch.randn(60, 203)
    scores[:, [16, 17, 40, 200, 201, 202]] = -80.0
    ids = kernels.draw_from(scores, [(SamplingParameters(**changes), point)] * 60)
    assert (scores.gather(1, ids[:, None]) > -80.0).all()


@torch.inference_mode()
def test_nothing_to_draw_from(kernels: Kernels) -> None:
    packed = pack(torch.randn(5, 8), torch.zeros(5), [8], kernels.numbers)
    closed, opened = (padded_columns(torch.full((5,), value), -torch.inf) for value in (-torch.inf, 0.0))
    for features, choosable in ((torch.randn(1, 8), closed), (torch.full((1, 8), torch.nan), opened)):
        _, log_probabilities = kernels.draw([Rows(features)], packed, choosable, [(SamplingParameters(), 0.5)], 2)
        assert not log_probabilities.isfinite().any()


@torch.inference_mode()
def test_hardly_any_temperature_takes_the_likeliest(kernels: Kernels) -> None:
    features, weight = torch.randn(9, 32), torch.randn(70, 32)
    packed, opened = pack(weight, torch.zeros(70), [32], kernels.numbers), padded_columns(torch.zeros(70), -torch.inf)
    draws = [(SamplingParameters(temperature=1e-300), 0.999)] * 9
    ids, _ = kernels.draw([Rows(features)], packed, opened, draws, 2)
    assert torch.equal(ids, functional.linear(features, weight).argmax(dim=-1))
