"""Memory that the C library keeps after it was freed."""

import ctypes


def give_memory_back() -> None:
    """Have glibc give the system back what is free; other C libraries do so by themselves."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
