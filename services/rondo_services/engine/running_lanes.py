"""Lanes of all heads, none of which has very many rows if that can be helped.

A step makes new tensors of all that its rows have, and joining copies them. In lanes of a few hundred rows both need room
for these only, however many run, and products of more are hardly faster a row.
"""

from collections.abc import Iterator

from .running_lane import RunningLane

ROWS_TOGETHER = 256
"""Of a lane that takes others in. Those that begin at once stay together, and a search may need more rows later."""

_MERGED_ROWS = ROWS_TOGETHER * 3 // 4
"""Lanes of one head that have not more together become one; full ones would soon have to be parted again."""


class RunningLanes:
    """Lanes in the order in which they were opened."""

    def __init__(self) -> None:
        self._lanes: list[RunningLane] = []

    def __iter__(self) -> Iterator[RunningLane]:
        return iter(self._lanes)

    def with_room(self, head: str, num_rows: int) -> RunningLane:
        """A lane of the head that so many rows may join."""
        for lane in self._lanes:
            if lane.head == head and lane.num_rows + num_rows <= ROWS_TOGETHER:
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
        for lane in self._lanes:
            if lane.state is None:
                continue
            for other in kept:
                if other.head == lane.head and other.num_rows + lane.num_rows <= _MERGED_ROWS:
                    other.join(lane.tickets, lane.searches, lane.ids, lane.state)
                    break
            else:
                kept.append(lane)
        self._lanes = kept

    def together(self) -> Iterator[list[RunningLane]]:
        """The lanes in groups that are to be stepped in one product."""
        group: list[RunningLane] = []
        for lane in self._lanes:
            if group and sum(own.num_rows for own in group) + lane.num_rows > ROWS_TOGETHER:
                yield group
                group = []
            group.append(lane)
        if group:
            yield group
