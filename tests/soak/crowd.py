"""A server and workers over the same jobs, as processes that are killed, and started again at once."""

import os
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO

from tests.soak.faults import engine_pid

_ENGINE_DEATHS = 2
_ENGINE_WINDOW_S = 75.0
"""An engine that dies three times in a minute rightly stays down, so none is killed so often."""
_STOP_TIMEOUT_S = 30.0


@dataclass(slots=True)
class _Member:
    """One of the processes.

    Attributes:
        engine_deaths: seconds of the monotonic clock, of the latest kills of the engine that this process has.
    """

    name: str
    command: Sequence[str]
    log: IO[bytes]
    process: "subprocess.Popen[bytes] | None" = None
    engine_deaths: deque[float] = field(default_factory=lambda: deque(maxlen=_ENGINE_DEATHS))


class Crowd:
    """All processes, from entering the `with` block to leaving it.

    Args:
        commands: by names that are unlike each other.
        folder: where their messages go.

    Attributes:
        deaths: processes that ended although nobody killed them; they are started again, too.
    """

    def __init__(self, commands: Mapping[str, Sequence[str]], environment: Mapping[str, str], folder: Path) -> None:
        self.deaths: list[str] = []
        self._environment = {**os.environ, **environment}
        self._folder = folder
        self._commands = commands
        self._members: list[_Member] = []

    def __enter__(self) -> "Crowd":
        self._members = [
            _Member(name, command, (self._folder / f"{name.replace(' ', '-')}.log").open("ab"))
            for name, command in self._commands.items()
        ]
        for member in self._members:
            self._start(member)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for member in self._members:
            if member.process is not None:
                member.process.terminate()
        for member in self._members:
            if (process := member.process) is not None:
                try:
                    process.wait(_STOP_TIMEOUT_S)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
                with suppress(ProcessLookupError):  # its engine
                    os.killpg(process.pid, signal.SIGKILL)
            member.log.close()

    def look(self) -> None:
        """Start again what has died by itself."""
        for member in self._members:
            if member.process is not None and (code := member.process.poll()) is not None:
                self.deaths.append(f"{member.name} ended with {code}")
                self._start(member)

    def victims(self) -> list[str]:
        """What can be killed now: processes that have an engine, and the engines of those."""
        names = []
        for member in self._members:
            if member.process is not None and engine_pid(member.process.pid) is not None:
                names.append(member.name)
                if not self._is_spared(member):
                    names.append(_engine_of(member.name))
        return names

    def kill(self, victim: str) -> bool:
        """Kill one of the victims, and start again what nobody else does; False if it had ended already."""
        for member in self._members:
            process = member.process
            assert process is not None
            if victim == member.name:
                process.kill()
                process.wait()
                self._start(member)
                return True
            if victim == _engine_of(member.name) and (pid := engine_pid(process.pid)) is not None:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
                    member.engine_deaths.append(time.monotonic())
                    return True
        return False

    def _is_spared(self, member: _Member) -> bool:
        deaths = member.engine_deaths
        return len(deaths) == _ENGINE_DEATHS and time.monotonic() - deaths[0] < _ENGINE_WINDOW_S

    def _start(self, member: _Member) -> None:
        member.engine_deaths.clear()
        member.process = subprocess.Popen(
            member.command,
            stdin=subprocess.DEVNULL,
            stdout=member.log,
            stderr=member.log,
            env=self._environment,
            start_new_session=True,
        )


def rondo_program() -> str:
    """`rondo` of the Python that runs this."""
    return str(Path(sys.executable).with_name("rondo"))


def _engine_of(name: str) -> str:
    return f"engine of the {name}"
