"""Builds the image with docker or podman: `python3 deploy/docker/build.py --tag rondo:0.1.0`. `make image` runs it.

It needs only the standard library. pip's settings, which may hold a password, reach the build as a secret.
"""

import argparse
import ast
import os
import shutil
import subprocess
import sys
import tempfile
from configparser import RawConfigParser
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILE = Path("deploy/docker/Dockerfile")


@dataclass(frozen=True)
class Build:
    """What is built, and of what.

    Attributes:
        program: docker or podman.
        base_image, torch_index_url: as the Dockerfile has them; None: its defaults.
        host_pip: use this machine's pip settings; with podman also the folders that they name.
    """

    program: str
    tag: str
    base_image: str | None = None
    torch_index_url: str | None = None
    host_pip: bool = False


def build(wanted: Build) -> None:
    """Build it; what the program says goes to standard error.

    Raises:
        subprocess.CalledProcessError: it failed.
    """
    with tempfile.TemporaryDirectory(prefix="rondo-image-") as folder:
        command = [wanted.program, "build", "--file", str(DOCKERFILE), "--tag", wanted.tag]
        arguments = {"REVISION": _revision()}
        if Path(wanted.program).name == "podman":
            command += ["--network", "host", "--format", "docker", "--layers"]  # the OCI format has no HEALTHCHECK
        if wanted.base_image is not None:
            arguments["BASE_IMAGE"] = wanted.base_image
        if wanted.torch_index_url is not None or wanted.host_pip:
            arguments["TORCH_INDEX_URL"] = wanted.torch_index_url or ""
        for name, value in arguments.items():
            command += ["--build-arg", f"{name}={value}"]
        if wanted.host_pip:
            settings = pip_settings(_pip_config_list())
            file = Path(folder, "pip.conf")
            with file.open("w", encoding="utf-8") as stream:
                settings.write(stream)
            command += ["--secret", f"id=pip_conf,src={file}"]
            if Path(wanted.program).name == "podman":
                for path in local_paths(settings):
                    command += ["--volume", f"{path}:{path}:ro"]
        subprocess.run([*command, "."], cwd=ROOT, check=True, stdout=sys.stderr)


def pip_settings(listed: str) -> RawConfigParser:
    """Of what `pip config list` prints; variables of the environment become settings for all commands."""
    settings = RawConfigParser()
    lines = sorted(listed.splitlines(), key=lambda line: line.startswith(":env:"))  # those are the strongest
    for line in lines:
        name, _, value = line.partition("=")
        section, _, key = name.rpartition(".")
        section = "global" if section == ":env:" else section
        if not settings.has_section(section):
            settings.add_section(section)
        settings.set(section, key, " ".join(ast.literal_eval(value).split()))
    return settings


def local_paths(settings: RawConfigParser) -> list[Path]:
    """Files and folders of this machine that are named; of an index also the files beside it."""
    words = [word for section in settings.sections() for _, value in settings.items(section) for word in value.split()]
    paths = {Path(urlsplit(word).path) for word in words if word.startswith(("/", "file://"))}
    folders = {path.parent if path.name == "simple" else path for path in paths if path.exists()}
    certificates = Path("/etc/ssl")  # are the base image's own
    return sorted(path for path in folders if certificates not in path.parents)


def container_program() -> str:
    """docker if its daemon answers, else podman.

    Raises:
        FileNotFoundError: there is neither.
    """
    for name in ("docker", "podman"):
        found = shutil.which(name)
        if found is not None and subprocess.run([found, "info"], capture_output=True, check=False).returncode == 0:
            return found
    raise FileNotFoundError("neither docker nor podman can be used here")


def _pip_config_list() -> str:
    command = [sys.executable, "-m", "pip", "config", "list"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def _revision() -> str:
    command = ["git", "-C", str(ROOT), "rev-parse", "HEAD"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else "unknown"


def main() -> None:
    """As the module says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tag", default="rondo:0.1.0", help="name of the image")
    parser.add_argument("--base-image", default=os.environ.get("BASE_IMAGE"), help="also the variable BASE_IMAGE")
    parser.add_argument(
        "--torch-index-url",
        default=os.environ.get("TORCH_INDEX_URL"),
        help="index with a CPU build of PyTorch; also the variable TORCH_INDEX_URL; empty: as pip is set",
    )
    parser.add_argument("--host-pip", action="store_true", help="use this machine's pip settings in the build")
    given = parser.parse_args()
    try:
        build(Build(container_program(), given.tag, given.base_image, given.torch_index_url, given.host_pip))
    except FileNotFoundError as error:
        sys.exit(f"build.py: {error}")
    except subprocess.CalledProcessError as error:
        sys.exit(error.returncode)


if __name__ == "__main__":
    main()
