"""What loading took, and does not take any more."""

import ctypes
import gc
import platform
from collections.abc import Iterator

import pytest
import torch

from rondo_services.settling import settle


@pytest.fixture(autouse=True)
def _thaw() -> Iterator[None]:
    yield
    gc.unfreeze()


def _resident_bytes() -> int:
    with open("/proc/self/statm", encoding="utf-8") as file:
        return int(file.read().split()[1]) * 4096


def test_what_is_there_is_not_looked_through() -> None:
    before = gc.get_freeze_count()
    settle()
    assert gc.get_freeze_count() > before


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc gives memory back when it is told to")
def test_memory_is_given_back() -> None:
    blocks = [torch.ones(30_000) for _ in range(1000)]  # 120 MB, each too small to be given back by itself
    last = torch.ones(30_000)  # stays behind all of them
    held = _resident_bytes()
    blocks.clear()
    settle()
    assert held - _resident_bytes() > 80e6
    assert last.sum() == 30_000


def test_a_system_without_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda _: object())
    settle()
