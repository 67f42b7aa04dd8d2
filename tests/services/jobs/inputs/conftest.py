"""What the tests of inputs share: reading bytes as if they were a file of some name."""

import io
import os
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import settings

from rondo_services.jobs.inputs import open_input
from rondo_services.jobs.items import BadItem, Item
from rondo_services.jobs.spec import JobInput

settings.register_profile("rondo", deadline=None, database=None, derandomize=bool(os.environ.get("CI")))
settings.load_profile("rondo")

Read = Callable[..., list[Item | BadItem]]


@pytest.fixture(scope="session")
def read() -> Read:
    """Items of a file's content, by its name and what else the input says."""

    def read_content(content: bytes, name: str, **told: Any) -> list[Item | BadItem]:
        return list(open_input(JobInput(source=name, **told), open_file=lambda _: io.BytesIO(content)))

    return read_content
