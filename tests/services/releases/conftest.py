"""Suites that answer nothing: of any name, fingerprint and services, with an engine that only can be stopped."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rondo_models.bundle import Bundle
from rondo_services.releases.release import Release
from rondo_services.suite import services_of, suite_over


class IdleEngine:
    """Notes what becomes of it."""

    def __init__(self) -> None:
        self.is_alive = True
        self.num_kept = 0
        self.stopped_after_s: float | None = None

    def places(self, count: int) -> AbstractContextManager[None]:
        self.num_kept += count
        return nullcontext()

    async def stop(self, grace_s: float) -> None:
        self.is_alive = False
        self.stopped_after_s = grace_s


MakeRelease = Callable[..., Release]


@pytest.fixture
def make_release(bundle: Bundle) -> MakeRelease:
    def make(fingerprint: str, name: str = "tiny", services: list[str] | None = None, version: str = "1") -> Release:
        manifest = replace(bundle.manifest, name=name, version=version)
        contents = replace(bundle.contents, manifest=manifest, fingerprint=fingerprint)
        tokenizer, wanted = services_of(contents, services, "there")
        engine: Any = IdleEngine()
        folder = Path(f"/bundles/{fingerprint}")
        return Release(folder, folder, suite_over(engine, contents, tokenizer, wanted, "key"))

    return make
