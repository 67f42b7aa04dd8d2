"""What a process does once it has loaded what stays."""

import gc

from rondo_models.memory import give_memory_back


def settle() -> None:
    """Keep what is there from being looked through by the garbage collector again and again, and give the memory back
    that only loading took: after a bundle's weights were packed that is 150 MB.
    """
    gc.freeze()
    give_memory_back()
