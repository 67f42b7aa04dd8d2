"""What holds for all tests. One thread for the matrix kernels: on few cores, two that wait for each other are slow."""

import signal

import pytest
import torch

from rondo_services.server.settings import ServerSettings

torch.set_num_threads(1)


@pytest.fixture(scope="session", autouse=True)
def _interruptible() -> None:
    """Shells start what runs in their background with SIGINT ignored, and its children would inherit that."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def without_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment that sets nothing."""
    for name in ServerSettings.model_fields:
        monkeypatch.delenv(f"RONDO_{name.upper()}", raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
