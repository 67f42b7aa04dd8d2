"""How commands end: 0, 2 and one line for a user's mistake, 1 and one line for what went wrong besides, and as
signals say."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import typer

from rondo_models.config import ConfigError
from rondo_models.manifest import BundleError

from .errors import Cancelled, EngineFailed, LimitReached, Overloaded, RondoError, TimedOut

_FAILURES = (Overloaded, LimitReached, TimedOut, Cancelled, EngineFailed)


@contextmanager
def errors_as_messages(*failures: type[Exception]) -> Iterator[None]:
    """End the process as the module says; `failures` are further errors that are nobody's mistake."""
    ended_badly: tuple[type[Exception], ...] = (*_FAILURES, *failures)
    try:
        yield
    except BrokenPipeError as error:  # whoever read has enough
        _end_output()
        raise typer.Exit(128 + signal.SIGPIPE) from error
    except KeyboardInterrupt as error:
        raise typer.Exit(128 + signal.SIGINT) from error
    except ended_badly as error:
        raise _ended(error, 1) from error
    except (RondoError, BundleError, ConfigError, ValueError, FileNotFoundError) as error:
        raise _ended(error, 2) from error
    except OSError as error:
        _end_output()
        raise _ended(error, 1) from error


def _ended(error: Exception, status: int) -> typer.Exit:
    typer.echo(f"rondo: {error}", err=True)
    return typer.Exit(status)


def _end_output() -> None:
    """Let what can't be written go nowhere, as the interpreter would try again, and complain."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
