"""What was freed, and goes back to the system."""

import ctypes
import platform

import pytest
import torch

from rondo_models.memory import give_memory_back


def _resident_bytes() -> int:
    with open("/proc/self/statm", encoding="utf-8") as file:
        return int(file.read().split()[1]) * 4096


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc gives memory back when it is told to")
def test_memory_is_given_back() -> None:
    blocks = [torch.ones(30_000) for _ in range(1000)]  # 120 MB, each too small to be given back by itself
    last = torch.ones(30_000)  # stays behind all of them
    held = _resident_bytes()
    blocks.clear()
    give_memory_back()
    assert held - _resident_bytes() > 80e6
    assert last.sum() == 30_000


def test_a_system_without_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda _: object())
    give_memory_back()
