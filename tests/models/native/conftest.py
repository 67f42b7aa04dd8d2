"""Every kind of kernels that this processor runs."""

import pytest

from rondo_models.config import Precision
from rondo_models.native.library import KINDS, Kernels, load_kernels


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
