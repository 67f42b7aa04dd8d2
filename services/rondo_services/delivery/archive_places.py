"""A bundle's archive on disk or behind a URL. Its digest is the SHA-256 of the archive."""

import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from .archive import SUFFIX, ArchiveOf, unpack
from .digests import chunks_of, digest_of_stream, require_digest
from .files import MOST_BYTES, WholeBundle, write_file
from .web import Web, ask, download, netrc_of, without_credentials


@dataclass(frozen=True, slots=True)
class ArchiveFile:
    """A .tar file, as `Place` has it."""

    path: Path
    pin: str | None

    @property
    def shown(self) -> str:
        """Its path."""
        return str(self.path)

    def fetch(self, folder: Path, at_hand: WholeBundle | None) -> str:
        """Unpack it, once its digest is right."""
        if not self.path.is_file():
            raise FileNotFoundError(f"{self.path} is no file")
        digest = digest_of_stream(chunks_of(self.path))
        require_digest(digest, self.pin, self.shown)
        with self.path.open("rb") as file:
            unpack(file, folder)
        return digest

    def holds(self, bundle: WholeBundle) -> bool:
        """Whether it is this bundle's archive already."""
        return self.path.is_file() and digest_of_stream(chunks_of(self.path)) == self.digest(bundle)

    def store(self, bundle: WholeBundle) -> str:
        """Write it beside its place, and rename it."""
        require_digest(self.digest(bundle), self.pin, str(bundle.folder))
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{self.path.name}.", dir=self.path.parent) as name:
            written = Path(name) / "archive"
            digest = write_file(written, ArchiveOf(bundle))
            written.replace(self.path)
        return digest

    def digest(self, bundle: WholeBundle) -> str:
        """Of its archive."""
        return digest_of_stream(ArchiveOf(bundle))


@dataclass(frozen=True, slots=True)
class ArchiveUrl:
    """A URL of HTTP or HTTPS that answers with an archive, and may take one by PUT, as `Place` has it."""

    url: str
    pin: str | None
    web: Web = field(repr=False)

    @property
    def shown(self) -> str:
        """The URL without user, password and query, which may be a signature."""
        return without_credentials(self.url)

    def fetch(self, folder: Path, at_hand: WholeBundle | None) -> str:
        """Download it, and unpack it once its digest is right."""
        archive = folder.with_suffix(SUFFIX)
        try:
            with self.web.client(netrc_of(self.url)) as client:
                digest = download(client, self.url, archive, MOST_BYTES)
            require_digest(digest, self.pin, self.shown)
            with archive.open("rb") as file:
                unpack(file, folder)
        finally:
            archive.unlink(missing_ok=True)
        return digest

    def store(self, bundle: WholeBundle) -> str:
        """PUT the archive there."""
        content = ArchiveOf(bundle)
        digest = digest_of_stream(content)
        require_digest(digest, self.pin, str(bundle.folder))
        headers = {"Content-Length": str(len(content)), "Content-Type": "application/x-tar"}
        with self.web.client(netrc_of(self.url)) as client:
            ask(client, "PUT", self.url, content=content, headers=headers)
        return digest

    def digest(self, bundle: WholeBundle) -> str:
        """Of its archive."""
        return digest_of_stream(ArchiveOf(bundle))
