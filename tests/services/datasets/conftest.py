"""Writers of tiny data files in the formats of the real ones."""

import io
import lzma
import os
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("rondo", deadline=None, database=None, derandomize=bool(os.environ.get("CI")))
settings.load_profile("rondo")


@pytest.fixture
def write_xz(tmp_path: Path) -> Callable[[str, str], Path]:
    """Write a text, compressed, to a path below `tmp_path`."""

    def write(name: str, text: str) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(lzma.compress(text.encode(), preset=0))
        return path

    return write


@pytest.fixture
def write_tar(tmp_path: Path) -> Callable[[str, Mapping[str, str]], Path]:
    """Write a .tar.xz of texts by member name to a path below `tmp_path`."""

    def write(name: str, members: Mapping[str, str]) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with tarfile.open(path, "w:xz", preset=0) as archive:
            for member, text in members.items():
                content = text.encode()
                info = tarfile.TarInfo(member)
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
        return path

    return write
