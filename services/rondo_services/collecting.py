"""How often a process looks for garbage: seldom, as there is little, and nothing else goes on meanwhile.

With the usual settings looking took a third of a worker's time, and held up a server with a full queue for 120 ms, more
than once a second.
"""

import gc

_MOST_NEW = 50_000
"""Objects that are made before the youngest are looked through; 700 is usual."""


def collect_seldom() -> None:
    """What is there now stays, and is not looked through again; what comes is, after many more objects than usual."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_MOST_NEW, 20, 20)
