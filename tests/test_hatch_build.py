"""How the libraries are put in place when Rondo is installed, with a compiler of our own."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
LIBRARY = Path("kernels.so")


@pytest.fixture
def hook(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """It builds in a folder of its own; hatchling is there only while a package is built."""
    plugin: Any = ModuleType("hatchling.builders.hooks.plugin.interface")
    plugin.BuildHookInterface = object
    monkeypatch.setitem(sys.modules, plugin.__name__, plugin)
    spec = importlib.util.spec_from_file_location("hatch_build", ROOT / "hatch_build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    made = module.KernelsHook()
    made.root, made.warnings = str(tmp_path), []
    made.app = SimpleNamespace(display_warning=made.warnings.append)
    (tmp_path / "kernels.cpp").write_text("new")
    return made


def _compiler(status: int) -> list[str]:
    """Writes its source to what -o says a piece at a time, and ends with a status."""
    program = (
        "import sys; out, source = sys.argv[2:]; "
        f"file = open(out, 'w'); file.write(open(source).read()); file.close(); sys.exit({status})"
    )
    return [sys.executable, "-c", program]


def test_a_library_in_use_is_replaced_and_not_changed(hook: Any, tmp_path: Path) -> None:
    """A server that had it loaded ended in the middle of a request."""
    (tmp_path / LIBRARY).write_text("old")
    with (tmp_path / LIBRARY).open() as in_use:
        assert hook._is_built(LIBRARY, Path("kernels.cpp"), _compiler(0))
        assert in_use.read() == "old"
    assert (tmp_path / LIBRARY).read_text() == "new"
    assert sorted(own.name for own in tmp_path.iterdir()) == ["kernels.cpp", "kernels.so"]


def test_what_can_not_be_compiled_leaves_nothing(hook: Any, tmp_path: Path) -> None:
    (tmp_path / LIBRARY).write_text("old")
    assert not hook._is_built(LIBRARY, Path("kernels.cpp"), _compiler(1))
    assert [own.name for own in tmp_path.iterdir()] == ["kernels.cpp"]
    assert "kernels.so can't be compiled" in hook.warnings[0]
