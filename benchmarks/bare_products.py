"""How fast this machine makes bare matrix products: by our kernel, and by PyTorch in two number formats."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from benchmarks.counted_kernels import Product, Products
from rondo_models.native.library import Kernels
from rondo_models.native.operands import Rows
from rondo_models.native.packing import PackedWeights, pack

OURS, FLOAT32, BFLOAT16 = "ours", "float32", "bfloat16"
MEANS = (OURS, FLOAT32, BFLOAT16)
_TILE_ROWS = 16
_LEAST_CALLS = 5
_LEAST_S = 0.01


@dataclass(slots=True)
class Spent:
    """Time of a thread: on the clock, and of the processor."""

    wall_s: float = 0.0
    cpu_s: float = 0.0

    def __sub__(self, other: "Spent") -> "Spent":
        return Spent(self.wall_s - other.wall_s, self.cpu_s - other.cpu_s)


@contextmanager
def spending(spent: Spent) -> Iterator[None]:
    """Add the time of this thread within the context."""
    wall, cpu = time.perf_counter(), time.thread_time()
    try:
        yield
    finally:
        spent.wall_s += time.perf_counter() - wall
        spent.cpu_s += time.thread_time() - cpu


def whole_tiles(product: Product) -> Product:
    """The same with its rows rounded up to whole tiles, so that few shapes have to be measured."""
    return replace(product, rows=-(-product.rows // _TILE_ROWS) * _TILE_ROWS)


def _fastest_s(call: Callable[[], object]) -> float:
    """The shortest of several calls in a row, after one that only warms up."""
    call()
    fastest, num_calls, began = float("inf"), 0, time.perf_counter()
    while num_calls < _LEAST_CALLS or time.perf_counter() - began < _LEAST_S:
        call_began = time.perf_counter()
        call()
        fastest = min(fastest, time.perf_counter() - call_began)
        num_calls += 1
    return fastest


class BareProducts:
    """Measures products of random matrices; a matrix of weights of each shape is kept."""

    def __init__(self, kernels: Kernels) -> None:
        self._kernels = kernels
        self._weights: dict[tuple[int, int], Tensor] = {}
        self._packed: dict[tuple[int, int, int], PackedWeights] = {}

    def _weight(self, product: Product) -> Tensor:
        """(columns, depth), of numbers that bfloat16 has."""
        shape = (product.columns, product.depth)
        if shape not in self._weights:
            self._weights[shape] = torch.randn(shape).bfloat16().float()
        return self._weights[shape]

    def _packed_weights(self, product: Product) -> PackedWeights:
        key = (product.columns, product.depth, product.weight_parts)
        if key not in self._packed:
            weight, numbers = self._weight(product), self._kernels.numbers
            weight = weight if product.weight_parts == 1 else weight + 1e-3 * torch.randn(weight.shape)
            self._packed[key] = pack(weight, torch.zeros(product.columns), [product.depth], numbers)
        return self._packed[key]

    def _ours_s(self, product: Product) -> float:
        """Without what calling a compiled function from Python takes."""
        inputs, weights = [Rows(torch.randn(product.rows, product.depth))], self._packed_weights(product)

        def call(num_rows: int) -> float:
            return _fastest_s(lambda: self._kernels.linear(inputs, weights, num_rows, product.parts))

        return call(product.rows) - call(0)

    def _torch_s(self, product: Product, kind: torch.dtype) -> float:
        inputs = torch.randn(product.rows, product.depth, dtype=kind)
        weights, out = self._weight(product).to(kind).t(), torch.empty(product.rows, product.columns, dtype=kind)
        return _fastest_s(lambda: torch.mm(inputs, weights, out=out))

    def seconds(self, product: Product, means: str) -> float:
        """How long one product takes at the fastest."""
        if means == OURS:
            return self._ours_s(product)
        if means in (FLOAT32, BFLOAT16):
            return self._torch_s(product, torch.float32 if means == FLOAT32 else torch.bfloat16)
        raise ValueError(f"unknown means {means!r}; choose among {', '.join(MEANS)}")

    def seconds_by_kernel(self, products: Products, means: str) -> dict[str, float]:
        """How long all of them would take at that pace, by the kernel that made them."""
        multiplications: dict[tuple[str, Product], int] = {}
        for (kernel, product), count in products.items():
            key = (kernel, whole_tiles(product))
            multiplications[key] = multiplications.get(key, 0) + count * product.num_multiplications
        shapes = dict.fromkeys(shape for _, shape in multiplications)
        paces = {shape: self.seconds(shape, means) / shape.num_multiplications for shape in shapes}
        found: dict[str, float] = {}
        for (kernel, shape), count in multiplications.items():
            found[kernel] = found.get(kernel, 0.0) + count * paces[shape]
        return found
