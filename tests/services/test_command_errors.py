"""How commands end."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from rondo_models.config import ConfigError
from rondo_models.manifest import BundleError
from rondo_services.client import ConnectionFailed, ServerError
from rondo_services.command_errors import errors_as_messages
from rondo_services.errors import EngineFailed, InvalidInput, LimitReached, NotServed, Overloaded, TimedOut


class _RunFailed(Exception):
    pass


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (InvalidInput("why"), 2),
        (NotServed("why"), 2),
        (BundleError("why"), 2),
        (ConfigError("why"), 2),
        (ValueError("why"), 2),
        (FileNotFoundError("why"), 2),
        (Overloaded("why", retry_after_s=1), 1),
        (LimitReached("why", retry_after_s=1), 1),
        (TimedOut("why"), 1),
        (EngineFailed("why"), 1),
        (PermissionError("why"), 1),
        (_RunFailed("why"), 1),
        (ServerError("why", status=500, body=""), 1),
        (ConnectionFailed("why"), 1),
    ],
)
def test_mistakes_end_with_2_and_failures_with_1(
    error: Exception, status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(typer.Exit) as ended, errors_as_messages(_RunFailed, ServerError, ConnectionFailed):
        raise error
    assert ended.value.exit_code == status
    assert capsys.readouterr() == ("", "rondo: why\n")


@pytest.mark.parametrize(
    ("error", "number"), [(KeyboardInterrupt(), signal.SIGINT), (BrokenPipeError(), signal.SIGPIPE)]
)
def test_signals_are_quiet(error: BaseException, number: signal.Signals, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit) as ended, errors_as_messages():
        raise error
    assert ended.value.exit_code == 128 + number
    assert capsys.readouterr() == ("", "")


def test_bugs_are_not_hidden() -> None:
    with pytest.raises(KeyError), errors_as_messages():
        raise KeyError("a bug")


def test_a_full_disk_is_told_once() -> None:
    """The interpreter tried to write the rest again, complained, and ended with status 120."""
    code = (
        "import sys, typer\nfrom rondo_services.command_errors import errors_as_messages\n"
        "def main():\n with errors_as_messages():\n  sys.stdout.write('text'); sys.stdout.flush()\n"
        "typer.run(main)"
    )
    buffered = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    with Path("/dev/full").open("wb") as full:
        ended = subprocess.run(
            [sys.executable, "-c", code], stdout=full, stderr=subprocess.PIPE, env=buffered, text=True, check=False
        )
    assert (ended.returncode, ended.stderr) == (1, "rondo: [Errno 28] No space left on device\n")
