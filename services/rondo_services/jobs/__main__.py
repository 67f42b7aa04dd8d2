"""`python -m rondo_services.jobs SETTINGS`: a worker's process; the settings are JSON, as `foreground.py` has them."""

import json
import sys

import typer

from ..command_errors import errors_as_messages
from ..engine.client import EngineUnavailable
from .process import run_process
from .settings import WorkerSettings

if __name__ == "__main__":
    try:
        with errors_as_messages(EngineUnavailable):
            run_process(WorkerSettings.of(json.loads(sys.argv[1])))
    except typer.Exit as end:
        sys.exit(end.exit_code)
