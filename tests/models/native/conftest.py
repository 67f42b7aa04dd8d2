"""Every kind of kernels that this processor runs."""

from typing import Any

import pytest

from rondo_models.config import Precision
from rondo_models.native.library import Kernels
from rondo_models.native.loading import KINDS, load_kernels


@pytest.fixture(scope="module", params=[kind for kind in KINDS if load_kernels(kind) is not None] or ["none"])
def kernels(request: pytest.FixtureRequest) -> Kernels:
    loaded = load_kernels(request.param) if request.param in KINDS else None
    if loaded is None:
        pytest.skip("the kernels need a processor with AVX2 and a C++ compiler at installation")
    return loaded


@pytest.fixture(scope="module")
def precision(kernels: Kernels) -> Precision:
    """In which executors run on the kernels by default."""
    return "int16" if kernels.numbers == "int16" else "mixed"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what asks kernels for integers to round numbers to bfloat16."""

    def cannot_be(item: pytest.Item) -> bool:
        params: dict[str, Any] = item.callspec.params if hasattr(item, "callspec") else {}
        kind = KINDS.get(params.get("kernels", ""))
        return kind is not None and kind.numbers == "int16" and "bfloat16" in params.get("model_and_executor", ())

    if left_out := [item for item in items if cannot_be(item)]:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]
