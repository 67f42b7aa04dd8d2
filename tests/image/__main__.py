"""Builds the image and checks it: `make image-test`. Needs docker or podman, and on most machines root.

Without BASE_IMAGE a base is made of Debian's packages (`base.py`), and the build takes this machine's pip settings: so
no registry of images has to be reached. Elsewhere, `make image-test BASE_IMAGE=python:3.11-slim`.
"""

import argparse
import importlib.util
import os
import sys
import tempfile
import time
from pathlib import Path
from types import ModuleType

from tests.image.base import debian_base
from tests.image.checks import CHECKS
from tests.image.containers import Containers

_BUILD = Path(__file__).parents[2] / "deploy" / "docker" / "build.py"
_PODMAN = """[containers]
default_ulimits = ["nofile=4096:4096", "nproc=8192:8192"]
[engine]
runtime = "runc"
"""
"""What podman needs on machines that have cgroups of both versions, and whose limits are below its defaults."""


def _builder() -> ModuleType:
    spec = importlib.util.spec_from_file_location("build", _BUILD)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["build"] = module  # where its dataclass looks for itself
    spec.loader.exec_module(module)
    return module


def main() -> int:
    """The exit status: how many checks failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tag", default="localhost/rondo:test", help="name of the image")
    parser.add_argument("--base-image", default=os.environ.get("BASE_IMAGE"), help="also the variable BASE_IMAGE")
    parser.add_argument("--no-build", action="store_true", help="check the image that is there")
    parser.add_argument("--only", default="", help="checks whose names contain this")
    given = parser.parse_args()
    builder = _builder()
    program = builder.container_program()
    with tempfile.TemporaryDirectory(prefix="rondo-image-") as folder:
        if Path(program).name == "podman" and "CONTAINERS_CONF" not in os.environ:
            settings = Path(folder, "containers.conf")
            settings.write_text(_PODMAN)
            os.environ["CONTAINERS_CONF"] = str(settings)
        containers = Containers(program, given.tag)
        base = given.base_image or debian_base(containers)
        if not given.no_build:
            began = time.monotonic()
            torch_index = os.environ.get("TORCH_INDEX_URL")
            builder.build(builder.Build(program, given.tag, base, torch_index, host_pip=given.base_image is None))
            print(f"built in {time.monotonic() - began:.0f} s")
        failed = 0
        for check in CHECKS:
            if given.only not in check.__name__:
                continue
            name = check.__name__.replace("_", " ")
            try:
                print(f"ok    {name}: {check(containers, base)}", flush=True)
            except AssertionError as error:
                failed += 1
                print(f"FAIL  {name}: {error}", flush=True)
    return failed


if __name__ == "__main__":
    sys.exit(main())
