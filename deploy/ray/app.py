"""Rondo on Ray Serve on this machine alone, in the foreground, to try it: `python deploy/ray/app.py --port 8000`.

For a cluster see `serve.yaml` and docs/ray.md.
"""

import logging
import os
import signal
import threading
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("RAY_AUTH_MODE", "disabled")  # only this machine can reach it
os.environ.setdefault("RAY_worker_niceness", "0")  # by default Ray's workers wait for whatever else runs

import ray
from ray import serve
from ray.exceptions import RayError

from rondo_services.command_errors import errors_as_messages
from rondo_services.on_ray.app import rondo
from rondo_services.on_ray.arguments import RondoArguments

HOST = "127.0.0.1"


def main(
    port: Annotated[int, typer.Option(min=1, max=65_535, help="Of Serve's proxy.")] = 8000,
    direct_port: Annotated[int | None, typer.Option(help="Where the ingress listens, without the proxy.")] = None,
    bundle: Annotated[Path | None, typer.Option(help="By default the one that comes with Rondo.")] = None,
    services: Annotated[str, typer.Option(help="Comma-separated; empty: all that the bundle has.")] = "",
    min_replicas: Annotated[int, typer.Option(min=1)] = 2,
    max_replicas: Annotated[int, typer.Option(min=1)] = 2,
    ingress_replicas: Annotated[int, typer.Option(min=1)] = 1,
) -> None:
    """Start Ray and serve until SIGTERM or SIGINT."""
    ended = threading.Event()

    def end(number: int, frame: FrameType | None) -> None:
        ended.set()

    with errors_as_messages(RayError, RuntimeError):
        arguments = RondoArguments(
            bundle=bundle,
            services=services,
            min_replicas=min_replicas,
            max_replicas=max_replicas,
            ingress_replicas=ingress_replicas,
            host=HOST,
            port=direct_port,
        )
        application = rondo(arguments)
        processors = max_replicas * arguments.num_cpus + ingress_replicas * arguments.ingress_num_cpus
        ray.init(
            "local",
            num_cpus=int(processors),
            include_dashboard=False,
            logging_level=logging.WARNING,
            log_to_driver=False,
        )
        try:
            serve.start(http_options={"host": HOST, "port": port})
            serve.run(application, name="rondo")
            for number in (signal.SIGINT, signal.SIGTERM):  # now, as Ray has handlers of its own
                signal.signal(number, end)
            print(f"serving on http://{HOST}:{port}", flush=True)
            ended.wait()
        finally:
            serve.shutdown()  # type: ignore[no-untyped-call]
            ray.shutdown()


if __name__ == "__main__":
    typer.run(main)
