"""Whoever asks a server needs neither the models nor the framework, and does not wait for them."""

import subprocess
import sys

HEAVY = {"torch", "numpy", "sentencepiece", "fastapi", "starlette", "uvicorn"}


def test_importing_the_client_loads_nothing_heavy() -> None:
    code = "import sys, rondo_services.client; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "rondo_services.client" in loaded
    assert not HEAVY & set(loaded)
