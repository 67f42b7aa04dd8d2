"""Compiles the kernels of `rondo_models.native`, and what `rondo_tokenizers.native` has, when Rondo is installed.

Without a C++ compiler, or on another architecture, Rondo is installed all the same and runs on PyTorch alone.
"""

import os
import platform
import shutil
import subprocess
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

_KERNELS = Path("models/rondo_models/native/kernels.cpp")
_LANGUAGES = Path("tokenizers/rondo_tokenizers/native/languages.cpp")
_FLAGS = [
    *("-std=c++17", "-O3", "-fPIC", "-shared", "-fno-exceptions"),
    "-fvisibility=hidden",  # so that several libraries in one process share no static variable
    "-ffp-contract=off",  # a product and a sum become one operation only where the source says so: the same everywhere
    *("-Wno-maybe-uninitialized", "-Wno-uninitialized"),
]
_VECTORS = [f"-mavx512{part}" for part in ("f", "bw", "vl", "dq")]
_AVX2 = ["-mavx2", "-mfma"]
_INT16 = "-DRONDO_INT16"
_INSTRUCTIONS = {
    "amx": [*_VECTORS, "-mavx512bf16", "-mamx-tile", "-mamx-bf16"],
    "avx512_vnni": [*_VECTORS, "-mavx512vnni", _INT16],
    "avx512": _VECTORS,
    "avx_vnni": [*_AVX2, "-mavxvnni", _INT16],
    "avx2_int16": [*_AVX2, _INT16],
    "avx2": _AVX2,
}


class KernelsHook(BuildHookInterface):  # type: ignore[type-arg]
    """Adds the compiled kernels to the wheel, and leaves them beside their source for editable installs."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """As hatchling calls it before it builds."""
        if self.target_name != "wheel" or platform.machine() not in ("x86_64", "AMD64"):
            return
        compiler = shutil.which(os.environ.get("CXX", "c++"))
        if compiler is None:
            self.app.display_warning("no C++ compiler: Rondo will run on PyTorch alone")
            return
        libraries = {
            _LANGUAGES.with_name("_languages.so"): (_LANGUAGES, []),
            **{_KERNELS.with_name(f"_kernels_{kind}.so"): (_KERNELS, own) for kind, own in _INSTRUCTIONS.items()},
        }
        for library, (source, instructions) in libraries.items():
            if self._is_built(library, source, [compiler, *_FLAGS, *instructions]):
                build_data["pure_python"] = False
                build_data["infer_tag"] = True
                build_data["artifacts"].append(str(library))

    def _is_built(self, library: Path, source: Path, command: list[str]) -> bool:
        made = Path(self.root, library)
        part = made.with_name(f"{made.name}.part")  # the library may be in use: its pages must not change
        built = subprocess.run(
            [*command, "-o", str(part), str(Path(self.root, source))], capture_output=True, text=True, check=False
        )
        if built.returncode:
            part.unlink(missing_ok=True)
            made.unlink(missing_ok=True)
            self.app.display_warning(f"{library.name} can't be compiled, so Rondo does without: {built.stderr}")
        else:
            os.replace(part, made)
        return built.returncode == 0
