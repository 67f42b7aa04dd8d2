"""Finds the compiled kernels that run on this processor."""

import ctypes
import functools
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

from rondo_tokenizers.native.libraries import opened

from .interface import INTERFACE
from .library import Kernels
from .packing import Numbers

logger = logging.getLogger("rondo")

_VECTORS = ("avx512_f", "avx512_bw", "avx512_vl", "avx512_dq")


@dataclass(frozen=True, slots=True)
class Kind:
    """Kernels for some processors.

    Attributes:
        needs: what such a processor has.
        numbers: what weights are packed as.
    """

    needs: tuple[str, ...]
    numbers: Numbers


KINDS = {
    "amx": Kind((*_VECTORS, "avx512_bf16", "amx_tile", "amx_bf16"), "bfloat16"),
    "avx512_vnni": Kind((*_VECTORS, "avx512_vnni"), "int16"),
    "avx512": Kind(_VECTORS, "bfloat16"),
    "avx_vnni": Kind(("avx2", "fma3", "avx_vnni"), "int16"),
    "avx2_int16": Kind(("avx2", "fma3"), "int16"),
    "avx2": Kind(("avx2", "fma3"), "bfloat16"),
}
"""The fastest first."""


def library_path(kind: str) -> Path:
    """Where the kernels of a kind are, if they were built."""
    return Path(__file__).with_name(f"_kernels_{kind}.so")


@functools.cache
def load_kernels(kind: str) -> Kernels | None:
    """The kernels of a kind; None if they were not built, or of other sources, or broken, or can't run here."""
    capabilities: Mapping[str, object] = getattr(torch.cpu, "get_capabilities", dict)()  # not in every torch
    path = library_path(kind)
    if not path.exists() or not all(capabilities.get(name) for name in KINDS[kind].needs):
        return None
    library = opened(path, ctypes.CDLL)
    if library is None:
        return None
    if not hasattr(library, "rondo_interface") or library.rondo_interface() != INTERFACE:
        logger.warning("%s is of another version of Rondo and not used: install Rondo again", path.name)
        return None
    kernels = Kernels(library, KINDS[kind].numbers)
    return kernels if kernels.library.rondo_can_multiply() else None


def fastest_kernels(numbers: Numbers | None = None) -> Kernels | None:
    """The fastest that run here, of those for `numbers` or of all; None if there are none."""
    kinds = (name for name, kind in KINDS.items() if numbers in (None, kind.numbers))
    return next(filter(None, map(load_kernels, kinds)), None)
