"""Screening by products of bytes: the very columns that products of 16-bit integers choose."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from rondo_models.native.library import Kernels
from rondo_models.native.loading import KINDS, load_kernels
from rondo_models.native.operands import Rows
from rondo_models.native.packing import PackedWeights, pack, padded_columns

SCREENING = ("avx512_vnni", "avx_vnni")
NEAR = 0.02
"""How close log-probabilities come: with the default bundle's weights, nearer than 0.01 (docs/log.md)."""


@pytest.fixture(scope="module", params=[kind for kind in SCREENING if load_kernels(kind) is not None] or ["none"])
def kernels(request: pytest.FixtureRequest) -> Kernels:
    """Those that screen."""
    loaded = load_kernels(request.param) if request.param in KINDS else None
    if loaded is None:
        pytest.skip("screening needs a processor with VNNI and a C++ compiler at installation")
    return loaded


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(5)


def _open(num_columns: int, closed: list[int]) -> Tensor:
    choosable = torch.zeros(num_columns).index_fill_(0, torch.tensor(closed, dtype=torch.int64), -torch.inf)
    return padded_columns(choosable, -torch.inf)


def _packed(weight: Tensor, bias: Tensor | None = None) -> PackedWeights:
    columns, depth = weight.shape
    return pack(weight, torch.zeros(columns) if bias is None else bias, [depth], "int16", screened=True)


def _likeliest(
    kernels: Kernels, features: Tensor, packed: PackedWeights, count: int, closed: list[int] | None = None
) -> tuple[Tensor, Tensor]:
    choosable = _open(packed.num_columns, closed or [])
    return kernels.likeliest([Rows(features)], packed, choosable, count, len(features), 2)


def _assert_same_choice(
    kernels: Kernels,
    features: Tensor,
    packed: PackedWeights,
    count: int,
    closed: list[int] | None = None,
    near: float = NEAR,
) -> None:
    """The same columns as without screening; log-probabilities that differ by as much for all columns of a row."""
    ids, found = _likeliest(kernels, features, packed, count, closed)
    expected_ids, expected = _likeliest(kernels, features, replace(packed, screen=None), count, closed)
    assert ids.tolist() == expected_ids.tolist()
    for weights in (packed, replace(packed, screen=None)):
        choosable = _open(packed.num_columns, closed or [])
        likeliest = kernels.likeliest_ids([Rows(features)], weights, choosable, len(features), 2)
        assert likeliest.tolist() == ids[:, 0].tolist()
    assert torch.equal(found.isfinite(), expected.isfinite())
    there = expected.isfinite()
    torch.testing.assert_close(found[there], expected[there], atol=near, rtol=1e-5)
    differences = found.double() - expected.double()
    rounding = 4 * torch.finfo(torch.float32).eps * expected.abs().clamp(min=1.0)
    assert ((differences - differences[:, :1]).abs()[there] <= (rounding + rounding[:, :1])[there]).all()


def test_who_screens() -> None:
    loaded = {kind: kernels for kind in KINDS if (kernels := load_kernels(kind)) is not None}
    assert {kind for kind, kernels in loaded.items() if kernels.can_screen} == loaded.keys() & set(SCREENING)


def test_only_integers_are_screened() -> None:
    with pytest.raises(AssertionError):
        pack(torch.randn(5, 8), torch.zeros(5), [8], "bfloat16", screened=True)
    assert pack(torch.randn(5, 8), torch.zeros(5), [8], "int16").screen is None


@given(
    rows=st.integers(1, 40),
    columns=st.integers(1, 700),
    depth=st.sampled_from([8, 64, 200, 256]),
    count=st.sampled_from([1, 2, 10]),
    scale=st.sampled_from([0.05, 0.3, 1.0]),
    seed=st.integers(0, 999),
)
@settings(max_examples=60, deadline=None)
@torch.inference_mode()
def test_random_weights(
    kernels: Kernels, rows: int, columns: int, depth: int, count: int, scale: float, seed: int
) -> None:
    torch.manual_seed(seed)
    features, weight, bias = torch.randn(rows, depth).tanh(), scale * torch.randn(columns, depth), torch.randn(columns)
    features[0] = 0.0
    closed = [int(k) for k in torch.randperm(columns)[: columns // 3]]
    _assert_same_choice(kernels, features, _packed(weight, bias), min(count, columns), closed)


@pytest.mark.parametrize("count", [1, 4])
@torch.inference_mode()
def test_the_first_of_equal_columns(kernels: Kernels, count: int) -> None:
    weight = torch.randn(7, 96).repeat(43, 1)
    ids, _ = _likeliest(kernels, torch.randn(9, 96), _packed(weight), count)
    assert (ids < 7 * count).all()
    assert torch.equal(ids % 7, ids[:, :1].expand(-1, count) % 7)
    _assert_same_choice(kernels, torch.randn(9, 96), _packed(weight), count)
    _assert_same_choice(kernels, torch.randn(9, 96), _packed(torch.ones(203, 96)), count)
    _assert_same_choice(kernels, torch.zeros(9, 96), _packed(weight), count)
    _assert_same_choice(kernels, torch.randn(9, 96), _packed(torch.zeros(203, 96)), count)


@torch.inference_mode()
def test_roundings_that_all_add_up(kernels: Kernels) -> None:
    """Bytes take the first column for half of what it is, far more than rounding by chance could do."""
    depth = 256
    weight = torch.zeros(2, depth)
    weight[:, 0] = 127.0
    weight[0, 1:] = 0.499
    weight[1, 1] = 110.0
    packed = _packed(0.01 * weight)
    assert packed.screen is not None
    rough = (weight / weight.amax(dim=1, keepdim=True) * 127).round().sum(dim=1)
    assert rough.tolist() == [127.0, 237.0]
    ids, _ = _likeliest(kernels, torch.ones(1, depth), packed, 1)
    assert ids.tolist() == [[0]]
    _assert_same_choice(kernels, torch.ones(1, depth), packed, 2, near=1e-5)  # both are exact


@pytest.mark.parametrize("count", [1, 10])
@pytest.mark.parametrize("size", [1e-34, 1e-12, 1e4, 1e18])
@torch.inference_mode()
def test_rows_of_any_size(kernels: Kernels, count: int, size: float) -> None:
    features, weight = size * torch.randn(13, 128), torch.randn(300, 128)
    features[3] /= size
    ids, found = _likeliest(kernels, features, _packed(weight), count)
    expected_ids, expected = _likeliest(kernels, features, replace(_packed(weight), screen=None), count)
    assert torch.equal(ids, expected_ids)
    torch.testing.assert_close(found, expected, atol=NEAR, rtol=1e-4)


@torch.inference_mode()
def test_columns_of_unlike_sizes(kernels: Kernels) -> None:
    """Rare ones may be huge, or have one number that makes the steps of all others coarse."""
    weight = 0.1 * torch.randn(500, 128)
    weight[::7] *= 20
    weight[::11, 5] = 30.0
    weight[::13] *= 1e-6
    bias = torch.randn(500)
    bias[::17] = -200.0
    for count in (1, 8):
        _assert_same_choice(kernels, torch.randn(50, 128), _packed(weight, bias), count, near=0.1)


@torch.inference_mode()
def test_forbidden_columns_that_are_the_likeliest(kernels: Kernels) -> None:
    features, weight = torch.randn(21, 64), torch.randn(203, 64)
    scores = features @ weight.T
    closed = sorted(set(scores.topk(4, dim=1).indices.flatten().tolist()))
    assert len(closed) < 100
    _assert_same_choice(kernels, features, _packed(weight), 5, closed)
    _assert_same_choice(kernels, features, _packed(weight), 5, list(range(3, 203)))
    _, none = _likeliest(kernels, features, _packed(weight), 2, list(range(203)))
    assert (none == -torch.inf).all()


@pytest.mark.parametrize("wrong", [torch.nan, torch.inf, -torch.inf])
@torch.inference_mode()
def test_a_row_with_no_number_stays_alone(kernels: Kernels, wrong: float) -> None:
    features, packed = torch.randn(9, 200), _packed(torch.randn(300, 200))
    clean = _likeliest(kernels, features, packed, 3)
    features[2, 150], features[7, 0] = wrong, wrong
    ids, found = _likeliest(kernels, features, packed, 3)
    others = [0, 1, 3, 4, 5, 6, 8]
    assert torch.equal(ids[others], clean[0][others])
    assert torch.equal(found[others], clean[1][others])
    assert not found[[2, 7]].isfinite().any()
    assert ((ids >= 0) & (ids < 300)).all()


@torch.inference_mode()
def test_a_column_that_is_no_number_is_never_chosen(kernels: Kernels) -> None:
    features, weight = torch.randn(9, 64), torch.randn(300, 64)
    clean, _ = _likeliest(kernels, features, _packed(weight), 1, [70])
    weight[70, 5] = torch.nan
    ids, found = _likeliest(kernels, features, _packed(weight), 1)
    assert torch.equal(ids, clean)
    assert found.isfinite().all()


@given(rows=st.integers(1, 30), columns=st.integers(65, 500), flat=st.booleans(), seed=st.integers(0, 999))
@settings(max_examples=30, deadline=None)
@torch.inference_mode()
def test_nothing_depends_on_other_rows_or_on_how_many_are_asked_for(
    kernels: Kernels, rows: int, columns: int, flat: bool, seed: int
) -> None:
    torch.manual_seed(seed)
    features, packed = torch.randn(rows, 96), _packed((0.03 if flat else 0.5) * torch.randn(columns, 96))
    ids, found = _likeliest(kernels, features, packed, 9, [1, 64])
    for row in range(rows):
        for count in (1, 3, 9):
            own_ids, own = _likeliest(kernels, features[row : row + 1], packed, count, [1, 64])
            assert torch.equal(own_ids[0], ids[row, :count])
            assert torch.equal(own[0], found[row, :count])


@given(columns=st.integers(1, 200), depth=st.integers(1, 300), power=st.integers(1, 5))
@settings(max_examples=30, deadline=None)
def test_bytes_and_what_they_lose(columns: int, depth: int, power: int) -> None:
    torch.manual_seed(power)
    packed = _packed(torch.randn(columns, depth) ** power)
    screen = packed.screen
    assert screen is not None
    assert packed.steps is not None
    blocks = len(packed.steps) // 64
    whole = (screen.columns.view(64 * blocks, -1) * packed.steps[:, None]).double()
    quads = screen.quads.view(blocks, packed.depth // 4, 64, 4).transpose(1, 2).reshape(64 * blocks, -1).double() - 128
    rough = quads * screen.steps[:, None]
    assert quads.abs().max() == 127
    assert ((rough - whole).abs() <= 0.5001 * screen.steps[:, None]).all()
    for bounds, vectors in ((screen.losses, rough - whole), (screen.sizes, rough - screen.centre)):
        norms = vectors.norm(dim=1).view(blocks, 4, 16).amax(dim=1)
        assert (bounds.view(blocks, 16) >= norms).all()
        assert (bounds.view(blocks, 16) <= 1.01 * norms + 1e-3 * whole.norm(dim=1).max()).all()
    torch.testing.assert_close(screen.centre, whole[:columns].mean(dim=0).float())


def test_rows_are_told_the_same_however_many_there_are(kernels: Kernels) -> None:
    """Of very many, only some are screened at once."""
    packed = _packed(torch.randn(700, 64))
    features = torch.randn(300, 64)
    ids, found = _likeliest(kernels, features, packed, 3, [5])
    for begin in range(0, 300, 50):
        part = _likeliest(kernels, features[begin : begin + 50], packed, 3, [5])
        assert torch.equal(ids[begin : begin + 50], part[0])
        assert torch.equal(found[begin : begin + 50], part[1])
