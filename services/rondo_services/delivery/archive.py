"""Bundles as one plain tar file: the same bytes for the same bundle, and read with suspicion.

Not compressed, as weights hardly get smaller.
"""

import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, BinaryIO

from rondo_models.manifest import MANIFEST, BundleError

from .digests import CHUNK_BYTES, chunks_of
from .errors import Unsafe
from .files import MOST_BYTES, MOST_FILES, WholeBundle, check_names, require_listed, write_file

SUFFIX = ".tar"
_BLOCK = tarfile.BLOCKSIZE
_MOST_AT_ONCE = 16 << 20
_MOST_MEMBERS = 2 * MOST_FILES


class ArchiveOf:
    """A bundle's archive, which can be read more than once: no times, no owners, the manifest first, then by name."""

    def __init__(self, bundle: WholeBundle) -> None:
        self._bundle = bundle

    def __len__(self) -> int:
        content = sum(_BLOCK + file.size + -file.size % _BLOCK for file in self._bundle.files)
        return content + self._end(content)

    @staticmethod
    def _end(content: int) -> int:
        """Zeros at the end: two blocks, then up to a whole record."""
        return 2 * _BLOCK + -(content + 2 * _BLOCK) % tarfile.RECORDSIZE

    def __iter__(self) -> Iterator[bytes]:
        content = 0
        for file in self._bundle.files:
            member = tarfile.TarInfo(file.name)
            member.size, member.mode = file.size, 0o644
            yield member.tobuf(tarfile.USTAR_FORMAT)
            yield from chunks_of(self._bundle.folder / file.name)
            yield b"\0" * (-file.size % _BLOCK)
            content += _BLOCK + file.size + -file.size % _BLOCK
        yield b"\0" * self._end(content)


class _ReadsOfBoundedSize:
    """A file of which nobody can have much at once, as `tarfile` would for a header that says so."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.tell, self.seek = file.tell, file.seek

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= _MOST_AT_ONCE:
            raise Unsafe(f"the archive has a header of {size} bytes")
        return self._file.read(size)


def unpack(file: BinaryIO, folder: Path) -> None:
    """Write the members of an archive into an empty folder.

    Raises:
        BundleError: it is no plain tar file, or holds no whole bundle.
        Unsafe: a member is no plain file, has a name that leads elsewhere or is also a folder's, is not in the
            manifest, or is too large. All but the manifest is checked before anything is written.
    """
    try:
        with tarfile.open(fileobj=_ReadsOfBoundedSize(file), mode="r:") as archive:  # type: ignore[call-overload]
            members = {member.name.removeprefix("./"): member for member in _checked_members(archive)}
            for name, member in members.items():
                content = archive.extractfile(member)
                assert content is not None
                write_file(folder / name, _pieces(content))
    except (tarfile.TarError, EOFError, OverflowError, ValueError, RecursionError) as error:
        raise BundleError(f"the archive can't be read as a plain tar file: {error}") from error
    if MANIFEST not in members:
        raise BundleError(f"the archive has no {MANIFEST} at its top, so it is no bundle")
    require_listed(members, (folder / MANIFEST).read_bytes())


def _checked_members(archive: tarfile.TarFile) -> list[tarfile.TarInfo]:
    members: list[tarfile.TarInfo] = []
    for number, member in enumerate(archive, 1):
        if number > _MOST_MEMBERS:
            raise Unsafe(f"the archive has more than {_MOST_MEMBERS} files and folders")
        if member.size < 0:
            raise Unsafe(f"{member.name!r} in the archive has a size below zero")
        if not member.isdir():  # folders are made for the files in them
            members.append(member)
    check_names(member.name.removeprefix("./") for member in members)
    room = MOST_BYTES
    for member in members:
        if member.type not in (tarfile.REGTYPE, tarfile.AREGTYPE) or member.issparse():
            raise Unsafe(f"{member.name} in the archive is no plain file")
        room -= member.size
        if room < 0:
            raise Unsafe(f"the archive holds more than {MOST_BYTES} bytes")
    return members


def _pieces(content: IO[bytes]) -> Iterator[bytes]:
    while piece := content.read(CHUNK_BYTES):
        yield piece
