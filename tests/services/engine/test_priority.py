"""Work that gives way to others."""

import os
import sys
import threading

import pytest

from rondo_services.engine.priority import NICENESS, at_low_priority


def test_what_is_done_or_raised_comes_back() -> None:
    assert at_low_priority(lambda: 7) == 7
    with pytest.raises(ZeroDivisionError):
        at_low_priority(lambda: 1 // 0)


@pytest.mark.skipif(sys.platform != "linux", reason="only there threads have a priority")
def test_only_the_work_gives_way() -> None:
    def niceness() -> int:
        return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    own = niceness()
    assert at_low_priority(niceness) == NICENESS
    assert niceness() == own
