"""What energy has been used, where this machine tells: RAPL of processors, NVML or nvidia-smi of an NVIDIA GPU.

Both are of the whole device, so other work on it counts too. Knows no training.
"""

import re
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

POWERCAP = Path("/sys/class/powercap")
_PACKAGE = re.compile(r"intel-rapl:\d+")
_MICROJOULES = 1e6
_MILLIJOULES = 1e3
_SMI_TIMEOUT_S = 10.0
_SMI_FAILURES = (subprocess.SubprocessError, OSError, ValueError)
"""No driver, or a GPU that does not tell ("[N/A]")."""


class EnergyMeter(Protocol):
    """Counts from when it was made.

    Attributes:
        basis: where its numbers come from.
    """

    basis: str

    def joules(self) -> float:
        """So far; to be asked at least every few minutes."""


class RaplMeter:
    """The processors' own counters, which start again from 0 now and then; AMD's have Intel's name too."""

    basis = "RAPL counters of the processor packages"

    def __init__(self, packages: list[Path]) -> None:
        self._packages = packages
        self._last = [_number(package / "energy_uj") for package in packages]
        self._ranges = [_number(package / "max_energy_range_uj") for package in packages]
        self._joules = 0.0

    def joules(self) -> float:
        for place, package in enumerate(self._packages):
            now = _number(package / "energy_uj")
            difference = now - self._last[place]
            self._joules += (difference if difference >= 0 else difference + self._ranges[place]) / _MICROJOULES
            self._last[place] = now
        return self._joules


def processor_meter(powercap: Path = POWERCAP) -> RaplMeter | None:
    """None where the counters are missing or may not be read, as in most containers and virtual machines."""
    try:
        packages = sorted(path for path in powercap.iterdir() if _PACKAGE.fullmatch(path.name))
        return RaplMeter(packages) if packages else None
    except OSError:
        return None


def _number(path: Path) -> int:
    return int(path.read_text(encoding="ascii"))


class NvmlMeter:
    """The GPU's own counter."""

    basis = "NVML energy counter of the GPU"

    def __init__(self, nvml: Any, handle: Any) -> None:
        self._nvml = nvml
        self._handle = handle
        self._first = self._read()

    def joules(self) -> float:
        return self._read() - self._first

    def _read(self) -> float:
        return float(self._nvml.nvmlDeviceGetTotalEnergyConsumption(self._handle)) / _MILLIJOULES


class SmiMeter:
    """Power that nvidia-smi tells, times the time between two looks; if it fails later on, the power is as before."""

    basis = "power of the GPU told by nvidia-smi now and then"

    def __init__(self, program: str, index: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._command = [program, f"--id={index}", "--query-gpu=power.draw", "--format=csv,noheader,nounits"]
        self._clock = clock
        self._joules = 0.0
        self._watts = self._power()
        self._time_s = clock()

    def joules(self) -> float:
        try:
            watts = self._power()
        except _SMI_FAILURES:
            watts = self._watts
        now_s = self._clock()
        self._joules += (self._watts + watts) / 2 * (now_s - self._time_s)
        self._watts, self._time_s = watts, now_s
        return self._joules

    def _power(self) -> float:
        done = subprocess.run(self._command, capture_output=True, text=True, check=True, timeout=_SMI_TIMEOUT_S)
        return float(done.stdout.strip())


def gpu_meter(index: int) -> EnergyMeter | None:
    """NVML if its Python library is there and the GPU counts, else nvidia-smi; None where neither tells."""
    return _nvml_meter(index) or _smi_meter(index)


def _nvml_meter(index: int) -> NvmlMeter | None:
    try:
        import pynvml  # type: ignore[import-not-found]
    except ImportError:
        return None
    try:
        pynvml.nvmlInit()
        return NvmlMeter(pynvml, pynvml.nvmlDeviceGetHandleByIndex(index))
    except pynvml.NVMLError:  # no driver, or a GPU that does not count
        return None


def _smi_meter(index: int) -> SmiMeter | None:
    program = shutil.which("nvidia-smi")
    if program is None:
        return None
    try:
        return SmiMeter(program, index)
    except _SMI_FAILURES:
        return None
