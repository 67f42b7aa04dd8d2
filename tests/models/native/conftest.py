"""Every kind of kernels that this processor runs."""

import pytest

from rondo_models.native.library import NEEDED, Kernels, load_kernels


@pytest.fixture(scope="module", params=[kind for kind in NEEDED if load_kernels(kind) is not None] or ["none"])
def kernels(request: pytest.FixtureRequest) -> Kernels:
    loaded = load_kernels(request.param) if request.param in NEEDED else None
    if loaded is None:
        pytest.skip("the kernels need a processor with AVX2 and a C++ compiler at installation")
    return loaded
