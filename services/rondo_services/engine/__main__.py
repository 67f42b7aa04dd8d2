"""`python -m rondo_services.engine DESCRIPTOR OPTIONS`: the engine's process, started by `client.py`."""

import json
import socket
import sys
from pathlib import Path

from .options import WorkerOptions
from .scheduler import Limits
from .worker import run_worker

if __name__ == "__main__":
    options = json.loads(sys.argv[2])
    run_worker(
        socket.socket(fileno=int(sys.argv[1])),
        WorkerOptions(**{**options, "bundle": Path(options["bundle"]), "limits": Limits(**options["limits"])}),
    )
