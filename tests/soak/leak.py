"""Takes memory at a known rate and keeps it: the control of the soak, until its standard input ends.

python tests/soak/leak.py MB_PER_MINUTE
"""

import select
import sys
import time

_EVERY_S = 0.1


def main(mb_per_minute: float) -> None:
    """Keep as many bytes as are due by now, whatever the pace of this process."""
    bytes_per_s = mb_per_minute * 1e6 / 60
    kept: list[bytes] = []
    num_kept = 0
    began = time.monotonic()
    while not select.select([sys.stdin], [], [], _EVERY_S)[0]:
        due = int((time.monotonic() - began) * bytes_per_s) - num_kept
        kept.append(b"x" * due)
        num_kept += due


if __name__ == "__main__":
    main(float(sys.argv[1]))
