"""Other bundles than the one that comes with Rondo, and those who may exchange them."""

import json
import shutil
from datetime import UTC, datetime
from pathlib import Path

from rondo_models.manifest import MANIFEST, read_contents, write_manifest
from rondo_services.access.key_file import KeyFile
from rondo_services.access.keys import Allowance
from rondo_services.server.settings import default_bundle


def contrary_bundle(folder: Path, version: str = "0.2.0") -> str:
    """A copy of the default bundle that takes good reviews for bad ones; its fingerprint."""
    shutil.copytree(default_bundle(), folder)
    contents = read_contents(folder)
    configs = json.loads(json.dumps(contents.configs))
    configs["heads"]["sentiment"]["labels"].reverse()
    _rewrite(folder, version)
    return write_manifest(folder, read_contents(folder).manifest, configs, contents.files)


def _rewrite(folder: Path, version: str) -> None:
    path = folder / MANIFEST
    content = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**content, "version": version}), encoding="utf-8")


def key_in(state_dir: Path, *, admin: bool) -> str:
    """A new key of the servers that have this folder."""
    _, key = KeyFile(state_dir).create("somebody", Allowance(), None, datetime.now(UTC), admin=admin)
    return key
