"""A bundle in a folder of this machine, or of a share that is mounted here. Its digest is that of its archive."""

from dataclasses import dataclass
from pathlib import Path

from .archive import ArchiveOf
from .digests import chunks_of, digest_of_stream, require_digest
from .files import WholeBundle, whole_bundle, write_file


@dataclass(frozen=True, slots=True)
class FolderPlace:
    """A folder, as `Place` has it."""

    folder: Path
    pin: str | None

    @property
    def shown(self) -> str:
        """Its path."""
        return str(self.folder)

    def fetch(self, folder: Path, at_hand: WholeBundle | None) -> str:
        """Copy the files that the manifest lists."""
        bundle = whole_bundle(self.folder)
        digest = self.digest(bundle)
        require_digest(digest, self.pin, self.shown)
        _copy(bundle, folder)
        return digest

    def digest(self, bundle: WholeBundle) -> str:
        """Of its archive."""
        return digest_of_stream(ArchiveOf(bundle))


def _copy(bundle: WholeBundle, folder: Path) -> None:
    for file in bundle.files:
        found = write_file(folder / file.name, chunks_of(bundle.folder / file.name))
        require_digest(found, file.digest, f"{bundle.folder / file.name}, which changed meanwhile,")
