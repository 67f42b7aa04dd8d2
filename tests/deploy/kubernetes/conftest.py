"""What real servers serve, each of which runs only while it is asked."""

from collections.abc import Callable

import pytest
from prometheus_client.parser import text_string_to_metric_families
from tests.system.conftest import Launch, launch

from rondo_services.server.routes import Templates

__all__ = ["launch"]

OF_ANY_MODEL = "/models/{model}"
"""A path that is there to say of a model that there is none."""


class Served:
    """What a server told of itself."""

    def __init__(self, paths: list[str], metrics: set[str]) -> None:
        self.paths = paths
        self.metrics = metrics
        self._templates = Templates({path: path for path in paths})

    def __contains__(self, path: str) -> bool:
        return path in self._templates


@pytest.fixture(scope="session")
def served(launch: Launch) -> Callable[[str], Served]:
    """Of a server with some services; of all, if none is named."""
    known: dict[str, Served] = {}

    def ask(services: str = "") -> Served:
        if services not in known:
            with launch(*(("--services", services) if services else ())) as server:
                paths = server.client.get("/openapi.json").json()["paths"]
                families = text_string_to_metric_families(server.client.get("/metrics").text)
                metrics = {sample.name for family in families for sample in family.samples}
            known[services] = Served([path for path in paths if path != OF_ANY_MODEL], metrics)
        return known[services]

    return ask
