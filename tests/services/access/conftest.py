"""A clock that tests set."""

from dataclasses import dataclass
from datetime import UTC, datetime

import pytest


@dataclass
class Clock:
    """Seconds of the epoch; at first, noon of a day."""

    now: float = datetime(2031, 5, 1, 12, tzinfo=UTC).timestamp()

    def __call__(self) -> float:
        return self.now

    @property
    def moment(self) -> datetime:
        return datetime.fromtimestamp(self.now, UTC)


@pytest.fixture
def clock() -> Clock:
    return Clock()
