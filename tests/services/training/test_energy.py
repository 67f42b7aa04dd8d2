"""Energy read from fake counters, and where there are none."""

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from rondo_services.training.energy import NvmlMeter, RaplMeter, SmiMeter, gpu_meter, processor_meter


def _package(powercap: Path, name: str, microjoules: int) -> Path:
    folder = powercap / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "energy_uj").write_text(f"{microjoules}\n")
    (folder / "max_energy_range_uj").write_text("1000000000\n")
    return folder


def test_packages_are_added_up_and_counters_begin_again(tmp_path: Path) -> None:
    _package(tmp_path, "intel-rapl:0", 999_000_000)
    _package(tmp_path, "intel-rapl:1", 5_000_000)
    _package(tmp_path, "intel-rapl:0:0", 0)  # a part of the first package, counted there
    meter = processor_meter(tmp_path)
    assert isinstance(meter, RaplMeter)
    assert meter.joules() == 0
    _package(tmp_path, "intel-rapl:0", 2_000_000)
    _package(tmp_path, "intel-rapl:1", 6_500_000)
    assert meter.joules() == pytest.approx(3 + 1.5)
    assert meter.joules() == pytest.approx(4.5)


def test_without_counters_there_is_no_meter(tmp_path: Path) -> None:
    assert processor_meter(tmp_path / "missing") is None
    assert processor_meter(tmp_path) is None


def _nvml(readings: list[int], error: bool = False) -> SimpleNamespace:
    class NVMLError(Exception):
        pass

    def energy(handle: str) -> int:
        assert handle == "gpu 3"
        if error:
            raise NVMLError
        return readings.pop(0)

    return SimpleNamespace(
        NVMLError=NVMLError,
        nvmlInit=lambda: None,
        nvmlDeviceGetHandleByIndex=lambda index: f"gpu {index}",
        nvmlDeviceGetTotalEnergyConsumption=energy,
    )


def test_nvml_counts_from_the_first_look(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", _nvml([50_000, 57_500]))
    meter = gpu_meter(3)
    assert isinstance(meter, NvmlMeter)
    assert meter.joules() == pytest.approx(7.5)


@pytest.fixture
def smi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An nvidia-smi that prints what is in the file that is returned."""
    told = tmp_path / "told"
    program = tmp_path / "bin" / "nvidia-smi"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\necho "$@" | grep -q -- "--id=3" && cat {told}\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=":")
    monkeypatch.setitem(sys.modules, "pynvml", _nvml([], error=True))
    return told


def test_nvidia_smi_is_asked_where_nvml_does_not_count(smi: Path) -> None:
    smi.write_text("100.0\n")
    now = SimpleNamespace(s=0.0)
    assert isinstance(gpu_meter(3), SmiMeter)
    meter = SmiMeter("nvidia-smi", 3, clock=lambda: now.s)
    now.s = 10.0
    smi.write_text("200.0\n")
    assert meter.joules() == pytest.approx(1500)
    now.s = 20.0
    smi.write_text("[N/A]\n")  # the run goes on, with the power of before
    assert meter.joules() == pytest.approx(3500)


@pytest.mark.parametrize("told", ["[N/A]\n", ""])
def test_a_gpu_that_tells_nothing_has_no_meter(told: str, smi: Path) -> None:
    smi.write_text(told)
    assert gpu_meter(3) is None


def test_without_library_and_program_there_is_no_meter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    modules: dict[str, Any] = {"pynvml": None}
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert gpu_meter(0) is None
