"""The number format of reading."""

from collections.abc import Callable

import pytest
import torch

from rondo_models.config import PRECISIONS, Precision
from rondo_models.model import RondoModel
from rondo_models.precision import fast_precision, reading_in
from rondo_models.training.sequences import padded


@pytest.mark.parametrize("precision", PRECISIONS)
def test_reading_is_near_the_reference_and_weights_stay(
    make_model: Callable[..., RondoModel], precision: Precision
) -> None:
    model = make_model().eval()
    ids, lengths = padded([[4, 5, 6, 7], [8, 9]], 0)
    with torch.inference_mode(), reading_in(precision):
        outputs = model.backbone.encode(ids, lengths).outputs
    with torch.inference_mode():
        reference = model.backbone.encode(ids, lengths).outputs
    assert outputs.dtype == getattr(torch, precision)
    tolerance = 0.0 if precision == "float32" else 0.02
    torch.testing.assert_close(outputs.float(), reference, atol=tolerance, rtol=0)
    assert {p.dtype for p in model.parameters()} == {torch.float32}


@pytest.mark.parametrize(
    ("capabilities", "expected"),
    [({"amx_bf16": True}, "bfloat16"), ({"avx512_bf16": True}, "bfloat16"), ({"avx2": True}, "float32")],
)
def test_the_processor_decides(
    monkeypatch: pytest.MonkeyPatch, capabilities: dict[str, bool], expected: Precision
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities, raising=False)
    assert fast_precision() == expected
