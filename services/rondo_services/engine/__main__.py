"""`python -m rondo_services.engine DESCRIPTOR OPTIONS`: the engine's process, started by `client.py`."""

import json
import signal
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from setproctitle import setproctitle

from .options import WorkerOptions
from .priority import at_low_priority
from .scheduler import Limits

if TYPE_CHECKING:
    from .worker import Worker


def _run(connection: socket.socket, options: WorkerOptions) -> None:
    setproctitle("rondo-engine")
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # may go to all processes: the server ends first
        signal.signal(number, signal.SIG_IGN)

    def ready() -> "Worker | None":
        from .worker import ready_worker  # brings torch, which takes longest

        return ready_worker(connection, options)

    worker = at_low_priority(ready) if options.gently else ready()
    if worker is not None:
        worker.run()


if __name__ == "__main__":
    values = json.loads(sys.argv[2])
    _run(
        socket.socket(fileno=int(sys.argv[1])),
        WorkerOptions(**{**values, "bundle": Path(values["bundle"]), "limits": Limits(**values["limits"])}),
    )
