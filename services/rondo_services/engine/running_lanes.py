"""Lanes of all heads. Where very many rows may run, no lane has all of them if that can be helped.

A step makes new tensors of all that its rows have, and joining copies them, while the lane grows. In lanes of a few
hundred rows that needs room for these only, and what one leaves is what the next one needs (docs/log.md). A step then
takes 4 % longer.
"""

from collections.abc import Iterator

from .running_lane import RunningLane

_FEW_ROWS = 512
"""If no more than these may run, they stay together."""

_ROWS_TOGETHER = 256
"""Else, of a lane that takes others in. Those that begin at once stay together, and a search may need more later."""

_MERGED_SHARE = 0.75
"""Lanes of one head that together are not fuller become one; full ones would soon have to be parted again."""


class RunningLanes:
    """Lanes in the order in which they were opened.

    Args:
        max_rows: that may run in all of them.
    """

    def __init__(self, max_rows: int) -> None:
        self._lanes: list[RunningLane] = []
        self._most_rows = max_rows if max_rows <= _FEW_ROWS else _ROWS_TOGETHER

    def __iter__(self) -> Iterator[RunningLane]:
        return iter(self._lanes)

    def with_room(self, head: str, num_rows: int) -> RunningLane:
        """A lane of the head that so many rows may join."""
        for lane in self._lanes:
            if lane.head == head and lane.num_rows + num_rows <= self._most_rows:
                return lane
        lane = RunningLane(head)
        self._lanes.append(lane)
        return lane

    def clear(self) -> None:
        """Forget all."""
        self._lanes.clear()

    def tidy(self) -> None:
        """Forget empty lanes, and put those together that have become small."""
        kept: list[RunningLane] = []
        most = _MERGED_SHARE * self._most_rows
        for lane in self._lanes:
            if lane.state is None:
                continue
            for other in kept:
                if other.head == lane.head and other.num_rows + lane.num_rows <= most:
                    other.absorb(lane)
                    break
            else:
                kept.append(lane)
        self._lanes = kept

    def together(self) -> Iterator[list[RunningLane]]:
        """The lanes in groups that are to be stepped in one product."""
        group: list[RunningLane] = []
        for lane in self._lanes:
            if group and sum(own.num_rows for own in group) + lane.num_rows > self._most_rows:
                yield group
                group = []
            group.append(lane)
        if group:
            yield group
