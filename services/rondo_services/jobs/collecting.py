"""How often a worker's process looks for garbage: seldom, as looking took a third of its time, and there is little."""

import gc

_MOST_NEW = 50_000
"""Objects that are made before the youngest are looked through; 700 is usual."""


def collect_seldom() -> None:
    """What is there now stays, and is not looked through again; what comes is, after many more objects than usual."""
    gc.freeze()
    gc.set_threshold(_MOST_NEW, 20, 20)
