"""A base image made of Debian's packages, for machines that reach no registry of images."""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.image.containers import Containers

NAME = "localhost/rondo-base:bookworm"
_PACKAGES = "python3,python3-venv,ca-certificates"
_CERTIFICATES = "etc/ssl/certs/ca-certificates.crt"


def debian_base(containers: Containers) -> str:
    """Its name; it is made if it is not there. Needs root.

    It believes whom this machine believes, as some machines reach package indexes through a proxy with a certificate
    of its own. So it is no base for anything but tests.
    """
    if containers.has(NAME):
        return NAME
    if shutil.which("debootstrap") is None:
        raise FileNotFoundError("debootstrap is not installed (Debian: apt-get install debootstrap)")
    with tempfile.TemporaryDirectory(prefix="rondo-base-") as name:
        folder = Path(name)
        command = ["debootstrap", "--variant=minbase", f"--include={_PACKAGES}", "bookworm", str(folder / "root")]
        subprocess.run(command, check=True, stdout=sys.stderr)
        for package in (folder / "root/var/cache/apt/archives").glob("*.deb"):
            package.unlink()
        shutil.copy(Path("/", _CERTIFICATES), folder / "root" / _CERTIFICATES)
        archive = folder / "base.tar"
        subprocess.run(["tar", "-C", str(folder / "root"), "-cf", str(archive), "."], check=True)
        containers.ask("import", str(archive), NAME)
    return NAME
