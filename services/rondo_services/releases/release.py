"""A bundle at work: its services over an engine of its own, and how many requests it has in hand."""

import asyncio
from contextlib import suppress
from pathlib import Path

from ..suite import Suite

_SHORT = 12
"""Digits of a fingerprint that are told: enough for those of one name."""

_SHORTEST = 8


def short(fingerprint: str) -> str:
    """The part of a fingerprint that is told."""
    return fingerprint[:_SHORT]


def label_of(suite: Suite) -> str:
    """By what a release is told, as `rondo-base@b836bcc651ef`."""
    return f"{suite.name}@{short(suite.contents.fingerprint)}"


class Release:
    """Belongs to one event loop.

    Args:
        given: folder from which it was to be read.
        folder: the same without symbolic links, which may lead elsewhere by now.

    Attributes:
        fingerprint: of the bundle.
        hash: the beginning of the fingerprint.
        label: as of `label_of`.
        num_requests: that it answers now.
    """

    def __init__(self, given: Path, folder: Path, suite: Suite) -> None:
        self.given = given
        self.folder = folder
        self.suite = suite
        self.fingerprint = suite.contents.fingerprint
        self.hash = short(self.fingerprint)
        self.label = label_of(suite)
        self.num_requests = 0
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def version(self) -> str:
        """As the bundle has it."""
        return self.suite.contents.manifest.version

    def is_called(self, fingerprint: str) -> bool:
        """Whether this is its fingerprint, or at least the first eight digits of it."""
        return fingerprint == self.fingerprint or (
            len(fingerprint) >= _SHORTEST and self.fingerprint.startswith(fingerprint)
        )

    def hold(self) -> None:
        """It answers one more request."""
        if not self.num_requests:
            self._idle.clear()
        self.num_requests += 1

    def let_go(self) -> None:
        """One of its requests has ended."""
        self.num_requests -= 1
        if not self.num_requests:
            self._idle.set()

    async def until_idle(self, timeout_s: float) -> None:
        """Wait until it has no request in hand, but not longer than `timeout_s`."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._idle.wait()
