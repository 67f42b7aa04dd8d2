"""One served name: which releases answer for it, and which share of its requests each gets."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from .release import Release

_DIGEST_BYTES = 8


@dataclass(frozen=True, slots=True)
class Former:
    """The release that was current before, as `Release` has it: only its folder may still be there."""

    given: Path
    folder: Path
    fingerprint: str
    version: str


class Slot:
    """A name with its releases. Belongs to one event loop.

    Attributes:
        services: that are offered under this name; every release has them.
        canary_share: of the requests, that the canary gets; 0 without one.
        former: to which a roll-back leads.
        draining: releases that only finish what they have in hand.
        is_changing: whether a release is being made ready, or is about to take another's place.
    """

    def __init__(self, name: str, release: Release) -> None:
        self.name = name
        self.services: Sequence[str] = list(release.suite.served())
        self.current = release
        self.canary: Release | None = None
        self.canary_share = 0.0
        self.former: Former | None = None
        self.draining: list[Release] = []
        self.is_changing = False

    @property
    def folder(self) -> Path:
        """Where the bundle is read anew."""
        return self.current.given

    @property
    def releases(self) -> list[Release]:
        """Those that take requests."""
        return [self.current] if self.canary is None else [self.current, self.canary]

    def share_of(self, release: Release) -> float:
        """Of the requests that ask for no certain release."""
        if release is self.canary:
            return self.canary_share
        return 1 - self.canary_share if release is self.current else 0.0

    def chosen(self, request_id: bytes) -> Release:
        """The release for a request: the same for the same id, as long as nothing changes.

        A canary whose share grows keeps the requests that it had; one whose engine is down gets none.
        """
        if self.canary is None or not self.canary.suite.engine.is_alive:
            return self.current
        return self.canary if _place_of(request_id) < self.canary_share else self.current


def _place_of(request_id: bytes) -> float:
    """A number from 0 to 1, evenly spread whatever the ids look like."""
    digest = hashlib.blake2b(request_id, digest_size=_DIGEST_BYTES).digest()
    return int.from_bytes(digest, "big") / (1 << 8 * _DIGEST_BYTES)
