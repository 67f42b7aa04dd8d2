"""In which number format the matrix products of reading are made.

bfloat16 products with float32 sums are about three times as fast as float32 where the processor has instructions for
them, and slower where it has not. What is classified hardly changes by them; of greedy translations about one in
seventy does (docs/log.md). So "mixed" reads texts to classify in bfloat16 and those to write from in float32; where the
kernels of `native` run, they make all products in two bfloat16 parts instead, which are nearly float32.
"""

from collections.abc import Mapping

import torch

from .config import Precision

_INSTRUCTIONS = ("amx_bf16", "avx512_bf16")


def fast_precision() -> Precision:
    """mixed if this processor multiplies bfloat16 natively, else float32."""
    capabilities: Mapping[str, object] = getattr(torch.cpu, "get_capabilities", dict)()  # not in every torch
    return "mixed" if any(capabilities.get(name) for name in _INSTRUCTIONS) else "float32"


def reading_fast(enabled: bool) -> torch.autocast:
    """A context in which the backbone reads in bfloat16, if `enabled`; weights stay as they are."""
    return torch.autocast("cpu", torch.bfloat16, enabled=enabled)
