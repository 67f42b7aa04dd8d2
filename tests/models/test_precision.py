"""The number format of reading."""

from collections.abc import Callable

import pytest
import torch

from rondo_models.config import Precision
from rondo_models.model import RondoModel
from rondo_models.precision import fast_precision, reading_fast
from rondo_models.training.sequences import padded


@pytest.mark.parametrize("fast", [True, False])
def test_reading_is_near_the_reference_and_weights_stay(make_model: Callable[..., RondoModel], fast: bool) -> None:
    model = make_model().eval()
    ids, lengths = padded([[4, 5, 6, 7], [8, 9]], 0)
    with torch.inference_mode(), reading_fast(fast):
        outputs = model.backbone.encode(ids, lengths).outputs
    with torch.inference_mode():
        reference = model.backbone.encode(ids, lengths).outputs
    assert outputs.dtype == (torch.bfloat16 if fast else torch.float32)
    torch.testing.assert_close(outputs.float(), reference, atol=0.02 if fast else 0.0, rtol=0)
    assert {p.dtype for p in model.parameters()} == {torch.float32}


@pytest.mark.parametrize(
    ("capabilities", "expected"),
    [({"amx_bf16": True}, "mixed"), ({"avx512_bf16": True}, "mixed"), ({"avx2": True}, "float32")],
)
def test_the_processor_decides(
    monkeypatch: pytest.MonkeyPatch, capabilities: dict[str, bool], expected: Precision
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities, raising=False)
    assert fast_precision() == expected
