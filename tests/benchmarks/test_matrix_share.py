"""What the benchmark of the matrix products counts, and what it makes of it."""

from collections import Counter
from unittest.mock import patch

import pytest
import torch
from benchmarks.bare_products import BareProducts, Spent, whole_tiles
from benchmarks.counted_kernels import CountedKernels, Product, counted_kernels, rows_by_step
from benchmarks.matrix_share import Share
from benchmarks.saturation import Saturated, batches_of_like_length

from rondo_models.native.library import Kernels
from rondo_models.native.loading import fastest_kernels
from rondo_models.native.operands import Rows
from rondo_models.native.packing import pack, pack_lstm

needs_kernels = pytest.mark.skipif(fastest_kernels() is None, reason="there are no compiled kernels for this processor")


@pytest.mark.parametrize(
    ("lengths", "steps"),
    [([], {}), ([3], {1: 3}), ([2, 2], {2: 2}), ([5, 1, 3], {3: 1, 2: 2, 1: 2})],
)
def test_rows_by_step(lengths: list[int], steps: dict[int, int]) -> None:
    found = rows_by_step(lengths)
    assert found == steps
    assert sum(rows * count for rows, count in found.items()) == sum(lengths)


def test_rows_are_rounded_up_to_whole_tiles() -> None:
    rows = [whole_tiles(Product(rows, 32, 64, 2, 1)).rows for rows in (1, 16, 17)]
    assert rows == [16, 16, 32]


def test_batches_begin_with_the_longest() -> None:
    assert batches_of_like_length([(1,), (1, 2, 3), (1, 2)], 2) == [[(1, 2, 3), (1, 2)], [(1,)]]


def test_no_kernel_goes_uncounted() -> None:
    kernels = {name for name in vars(Kernels) if not name.startswith("_")}
    assert kernels <= vars(CountedKernels).keys()


@needs_kernels
@torch.inference_mode()
def test_products_and_times_are_noted() -> None:
    layer = torch.nn.LSTM(64, 16)
    lengths, hidden, cell = torch.tensor([3, 1]), torch.zeros(2, 16), torch.zeros(2, 16)
    vectors = Rows(torch.randn(8, 64), torch.zeros(2, 3, dtype=torch.int64))
    with counted_kernels() as kernels:
        weights = pack(torch.randn(64, 64).bfloat16().float(), torch.zeros(64), [64], kernels.numbers)
        stack = pack_lstm(layer, [64], kernels.numbers)
        kernels.linear([Rows(torch.randn(5, 64))], weights, 5, 2)
        kernels.lstm_sequence(vectors, lengths, (hidden, cell), stack, torch.empty(2, 3, 16), 1)
    depth, weight_parts = (128, 1) if kernels.numbers == "int16" else (96, 2)  # the hidden state is padded to a block
    assert kernels.products() == {
        ("linear", Product(5, 64, 64, 2, 1)): 1,
        ("lstm_sequence", Product(2, depth, 64, 1, weight_parts)): 1,
        ("lstm_sequence", Product(1, depth, 64, 1, weight_parts)): 2,
    }
    assert kernels.seconds.keys() == {"linear", "lstm_sequence"}
    kernels.forget()
    assert not kernels.products()


@needs_kernels
def test_only_rows_that_are_work_count() -> None:
    kernels = fastest_kernels()
    assert kernels is not None
    products = Counter({("linear", Product(8, 32, 64, 2, 1)): 3, ("likeliest", Product(16, 32, 64, 2, 1)): 1})
    with patch.object(BareProducts, "seconds", return_value=0.5):
        found = BareProducts(kernels).seconds_by_kernel(products, "ours")
    assert found == {"linear": pytest.approx(0.75), "likeliest": pytest.approx(0.5)}


@needs_kernels
def test_every_means_is_known() -> None:
    kernels = fastest_kernels()
    assert kernels is not None
    with pytest.raises(ValueError, match="choose among ours, float32, bfloat16"):
        BareProducts(kernels).seconds(Product(16, 32, 64, 2, 1), "paper")


def test_a_share_is_the_products_time_over_the_works() -> None:
    work = Saturated(100, Spent(wall_s=2.0, cpu_s=1.6), kernel_s={"linear": 0.6, "attend": 0.2, "lstm_step": 1.0})
    share = Share(work, {"ours": {"linear": 0.4, "lstm_step": 0.8}})
    assert share.of_wall("ours") == pytest.approx(0.6)
    assert share.of_cpu("ours") == pytest.approx(0.75)
    assert list(share.by_kernel()) == ["lstm_step", "linear", "attend", "outside"]
    assert share.by_kernel()["linear"] == pytest.approx((0.3, 0.2))
    assert share.by_kernel()["outside"] == pytest.approx((0.1, 0.0))
