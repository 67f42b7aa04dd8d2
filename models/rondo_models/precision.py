"""In which number format the matrix products of reading are made.

bfloat16 products with float32 sums are about three times as fast as float32 where the processor has instructions
for them, and slower where it has not.
"""

from collections.abc import Mapping

import torch

from .config import Precision

_INSTRUCTIONS = ("amx_bf16", "avx512_bf16")


def fast_precision() -> Precision:
    """bfloat16 if this processor multiplies in it natively, else float32."""
    capabilities: Mapping[str, object] = getattr(torch.cpu, "get_capabilities", dict)()  # not in every torch
    return "bfloat16" if any(capabilities.get(name) for name in _INSTRUCTIONS) else "float32"


def reading_in(precision: Precision) -> torch.autocast:
    """A context in which the backbone reads in `precision`; weights stay as they are."""
    return torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16")
