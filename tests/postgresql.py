"""A PostgreSQL server of the tests' own, on a socket in a temporary folder."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

MISSING = "PostgreSQL's server is not installed (Debian: apt-get install postgresql)"


def programs() -> Path | None:
    """The folder with `initdb` and `pg_ctl`, if there is one."""
    if found := shutil.which("initdb"):
        return Path(found).resolve().parent
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    return versions[-1].parent if versions else None


@contextmanager
def private_server(programs: Path) -> Iterator[str]:
    """URL of a new server's first database; the server is stopped and deleted at the end."""
    owner = pwd.getpwnam("postgres") if os.geteuid() == 0 else None  # it refuses to run as root
    with tempfile.TemporaryDirectory(prefix="rondo-pg-", dir="/tmp", ignore_cleanup_errors=True) as name:
        folder = Path(name)  # its path has to be short, as it is a socket's
        if owner is not None:
            os.chown(folder, owner.pw_uid, owner.pw_gid)

        def run(program: str, *arguments: str) -> None:
            _run([str(programs / program), "-D", str(folder / "data"), *arguments], folder, owner)

        run("initdb", "--auth=trust", "--username=rondo", "--encoding=UTF8", "--locale=C", "--no-sync")
        options = f"-k {folder} -c listen_addresses='' -c fsync=off -c full_page_writes=off"
        run("pg_ctl", "start", "-w", "-l", str(folder / "log"), "-o", options)
        try:
            yield f"postgresql://rondo@/postgres?host={folder}"
        finally:
            run("pg_ctl", "stop", "-w", "-m", "immediate")


def _run(command: Sequence[str], folder: Path, owner: pwd.struct_passwd | None) -> None:
    output = folder / "output"  # no pipe, which the server would keep open
    with open(output, "wb") as file:
        code = subprocess.run(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            user=None if owner is None else owner.pw_uid,
            group=None if owner is None else owner.pw_gid,
            extra_groups=None if owner is None else (),
        ).returncode
    if code != 0:
        raise RuntimeError(f"{command[0]} failed: {output.read_text()}")
