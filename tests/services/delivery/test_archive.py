"""Archives are the same for the same bundle, and what could do harm in one is refused."""

import io
import os
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.services.delivery.folders import held

from rondo_models.manifest import BundleError
from rondo_services.delivery import archive as archives
from rondo_services.delivery.archive import ArchiveOf, unpack
from rondo_services.delivery.errors import Unsafe
from rondo_services.delivery.files import whole_bundle

Edit = Callable[[tarfile.TarFile], None]


def test_it_is_what_tar_reads_and_the_same_bytes_each_time(folder: Path) -> None:
    first = ArchiveOf(whole_bundle(folder))
    content = b"".join(first)
    assert len(first) == len(content)
    for path in folder.rglob("*"):
        os.utime(path, (1, 1))
        path.chmod(0o700)
    (folder / ".DS_Store").write_text("left out")
    assert b"".join(ArchiveOf(whole_bundle(folder))) == content
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        names = archive.getnames()
        assert names[0] == "manifest.json"
        assert sorted(names) == sorted(set(held(folder)) - {".DS_Store"})
        assert {(member.uid, member.mtime, member.mode) for member in archive} == {(0, 0, 0o644)}


def test_unpacked_it_is_the_bundle(folder: Path, tmp_path: Path) -> None:
    unpack(io.BytesIO(b"".join(ArchiveOf(whole_bundle(folder)))), tmp_path / "out")
    assert held(tmp_path / "out") == held(folder)


def test_one_that_tar_made(folder: Path, tmp_path: Path) -> None:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        archive.add(folder, arcname=".")
    unpack(io.BytesIO(content.getvalue()), tmp_path / "out")
    assert held(tmp_path / "out") == held(folder)


def _with(folder: Path, edit: Edit) -> io.BytesIO:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name in held(folder):
            archive.add(folder / name, arcname=name)
        edit(archive)
    return io.BytesIO(content.getvalue())


def _member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> Edit:
    def add(archive: tarfile.TarFile) -> None:
        member = tarfile.TarInfo(name)
        member.type, member.linkname = kind, link
        archive.addfile(member)

    return add


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (_member("../escaped"), "has no file of the name '../escaped'"),
        (_member("/etc/escaped"), "has no file of the name '/etc/escaped'"),
        (_member("heads/../../escaped"), "has no file of the name"),
        (_member("heads/./x"), "has no file of the name"),
        (_member("heads\\..\\escaped"), "has no file of the name"),
        (_member(".hidden"), "has no file of the name"),
        (_member("link", tarfile.SYMTYPE, "/etc/passwd"), "link in the archive is no plain file"),
        (_member("link", tarfile.LNKTYPE, "manifest.json"), "link in the archive is no plain file"),
        (_member("pipe", tarfile.FIFOTYPE), "pipe in the archive is no plain file"),
        (_member("device", tarfile.CHRTYPE), "device in the archive is no plain file"),
        (_member("manifest.json"), "manifest.json comes twice"),
        (_member("./README.md"), "README.md comes twice"),
        (_member("run.sh"), "run.sh is not listed in manifest.json"),
        (_member("README.md/x"), "README.md is both a file and a folder"),
        (_member("heads"), "heads is both a file and a folder"),
    ],
)
def test_what_could_do_harm_is_refused(folder: Path, tmp_path: Path, edit: Edit, message: str) -> None:
    with pytest.raises(Unsafe, match=message):
        unpack(_with(folder, edit), tmp_path / "out" / "deep")
    assert not list(tmp_path.rglob("escaped"))


def test_too_much_is_refused(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "MOST_BYTES", 100)
    with pytest.raises(Unsafe, match=r"the archive holds more than 100 bytes"):
        unpack(_with(folder, lambda archive: None), tmp_path / "out")


def test_names_and_sizes_are_checked_before_anything_is_written(folder: Path, tmp_path: Path) -> None:
    """A file and a folder of one name were told as the path of a hidden folder, `File exists`."""
    with pytest.raises(Unsafe):
        unpack(_with(folder, _member("README.md/x")), tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("size", [-1, -512, -5000])
def test_a_size_below_zero_is_refused(tmp_path: Path, size: int) -> None:
    """Of some it was said that the manifest is none."""
    member = tarfile.TarInfo("manifest.json")
    member.size = size
    with pytest.raises(Unsafe, match=r"'manifest.json' in the archive has a size below zero"):
        unpack(io.BytesIO(member.tobuf(tarfile.GNU_FORMAT) + bytes(1024)), tmp_path)


def test_folders_without_end_are_refused(tmp_path: Path) -> None:
    """Each stays in memory."""
    folder = tarfile.TarInfo("heads")
    folder.type = tarfile.DIRTYPE
    with pytest.raises(Unsafe, match=r"the archive has more than 2000 files and folders"):
        unpack(io.BytesIO(folder.tobuf(tarfile.USTAR_FORMAT) * 2001 + bytes(1024)), tmp_path)


def test_a_header_that_would_fill_the_memory_is_refused(tmp_path: Path) -> None:
    header = tarfile.TarInfo("pax")
    header.type, header.size = tarfile.XHDTYPE, 7 << 30
    with pytest.raises(Unsafe, match=r"the archive has a header of"):
        unpack(io.BytesIO(header.tobuf(tarfile.USTAR_FORMAT) + bytes(1024)), tmp_path)


def test_a_sparse_file_is_refused(tmp_path: Path) -> None:
    """Its few bytes would become as many as it says."""
    member = tarfile.TarInfo("manifest.json")
    member.type = tarfile.GNUTYPE_SPARSE
    with pytest.raises(Unsafe, match=r"is no plain file"):
        unpack(io.BytesIO(member.tobuf(tarfile.GNU_FORMAT) + bytes(1024)), tmp_path)


def test_what_is_no_archive_of_a_bundle(folder: Path, tmp_path: Path) -> None:
    whole = b"".join(ArchiveOf(whole_bundle(folder)))
    for number, (content, message) in enumerate(
        [
            (b"<html>not found</html>" * 100, "can't be read as a plain tar file"),
            (b"", "can't be read as a plain tar file"),
            (whole[: len(whole) // 2], "can't be read as a plain tar file"),
            (whole[:1024] + bytes(1024), "can't be read|none of a bundle|which did not come"),
            (bytes(10240), "has no manifest.json at its top"),
        ]
    ):
        with pytest.raises(BundleError, match=message):
            unpack(io.BytesIO(content), tmp_path / str(number))


def test_headers_in_a_long_chain_are_refused(tmp_path: Path) -> None:
    header = tarfile.TarInfo("././@LongLink")
    header.type, header.size = tarfile.GNUTYPE_LONGNAME, 1
    chained = (header.tobuf() + b"a".ljust(tarfile.BLOCKSIZE, b"\0")) * 3000

    with pytest.raises(BundleError, match="can't be read as a plain tar file"):
        unpack(io.BytesIO(chained), tmp_path)
