import io
import sys
from typing import Any

import pytest

from rondo_services.commands import job_progress as progress_module
from rondo_services.commands.job_progress import job_progress
from rondo_services.jobs.types import Job


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(progress_module, "time", clock)
    return clock


def _job(state: Any = "running", **more: Any) -> Job:
    return Job("job", "job", "", {}, "", state, 0.0, **more)


def test_in_a_pipe_there_is_a_line_now_and_then_and_at_the_end(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    with job_progress() as show:
        show(_job("queued"))
        for _ in range(120):
            clock.now += 0.1
            show(_job(num_planned=50, num_answered=round(clock.now), num_bad=1))
        show(_job(num_planned=100, all_planned=True, num_answered=15))
        show(_job("done", num_planned=100, all_planned=True, num_answered=100))
    told = capsys.readouterr()
    assert told.out == ""
    first, last = told.err.splitlines()
    assert first == "running: 11 records, 1 bad, 1/s"
    assert last.startswith("done: 100 of 100 records, 8/s")


def test_what_is_left_is_told_once_all_is_planned(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    with job_progress() as show:
        show(_job(num_planned=200, all_planned=True))
        clock.now = 10.0
        show(_job(num_planned=200, all_planned=True, num_answered=50))
    assert capsys.readouterr().err == "running: 50 of 200 records, 5/s, 30 s left\n"


def test_the_pace_is_that_of_this_run(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    with job_progress() as show:
        show(_job(num_planned=1000, num_answered=900))
        clock.now = 10.0
        show(_job(num_planned=1000, num_answered=920))
    assert "2/s" in capsys.readouterr().err


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_in_a_terminal_there_is_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = _Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    with job_progress() as show:
        show(_job())
        show(_job(num_planned=80, all_planned=True, num_answered=40))
        show(_job("done", num_planned=80, all_planned=True, num_answered=80))
    assert "80/80" in terminal.getvalue()


def test_where_standard_error_is_closed_nothing_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    with job_progress() as show:
        show(_job())
        show(_job("done"))
