"""What all places of bundles have in common."""

from pathlib import Path
from typing import Protocol

from .files import WholeBundle


class Place(Protocol):
    """Where a bundle is or is to be. The digest is the one by which this kind of place pins what it holds."""

    @property
    def shown(self) -> str:
        """The place as it may be shown to anybody, without credentials."""

    @property
    def pin(self) -> str | None:
        """The digest that is asked for."""

    def fetch(self, folder: Path, at_hand: WholeBundle | None) -> str:
        """Put the files into an empty staged folder, and tell the digest of what was fetched.

        Whoever asks checks that the bundle is whole.

        Args:
            at_hand: a file of it that is the one wanted need not be fetched.

        Raises:
            DeliveryError, BundleError: they can't be had, or are not what is asked for.
        """

    def digest(self, bundle: WholeBundle) -> str:
        """The digest that a bundle of ours has at places of this kind."""


class Shelf(Place, Protocol):
    """One that is no folder of this machine, and takes bundles."""

    def store(self, bundle: WholeBundle) -> str:
        """Take a bundle, and tell its digest.

        Raises:
            DeliveryError: it can't be put there.
        """
