"""What a process does once it has loaded what stays."""

import ctypes
import gc


def settle() -> None:
    """Keep what is there from being looked through by the garbage collector again and again, and give the memory back
    that only loading took: after a bundle's weights were packed that is 150 MB.
    """
    gc.freeze()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc's
    if trim is not None:
        trim(0)
