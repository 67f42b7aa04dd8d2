"""How the image is built: what reaches the build, and that its parts agree."""

import fnmatch
import importlib.util
import json
import subprocess
import sys
import tomllib
from pathlib import Path
from types import ModuleType

import pytest
import yaml

ROOT = Path(__file__).parents[2]
DOCKERFILE = ROOT / "deploy" / "docker" / "Dockerfile"

_PIP = """global.find-links='/opt/wheels'
:env:.index-url='https://name:secret@index.example/simple'
global.index-url='https://index.example/simple/'
install.constraint='{folder}/constraints.txt'
global.extra-index-url='file://{folder}/more/simple\\nfile:///not/there/simple'
:env:.cert='/etc/ssl/certs/ca-certificates.crt'
"""


@pytest.fixture(scope="module")
def builder() -> ModuleType:
    spec = importlib.util.spec_from_file_location("image_build", ROOT / "deploy" / "docker" / "build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["image_build"] = module  # where its dataclass looks for itself
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with programs that note their arguments and the secret in calls.json."""
    for name in ("docker", "podman"):
        program = tmp_path / name
        program.write_text(
            f"#!{sys.executable}\n"
            "import json, sys, pathlib\n"
            "secrets = [a.partition('src=')[2] for a in sys.argv if a.startswith('id=pip_conf')]\n"
            "call = {'arguments': sys.argv[1:], 'secrets': [pathlib.Path(s).read_text() for s in secrets]}\n"
            f"pathlib.Path({str(tmp_path / 'call.json')!r}).write_text(json.dumps(call))\n"
        )
        program.chmod(0o755)
    return tmp_path


def test_hadolint_finds_no_fault() -> None:
    program = Path(sys.executable).with_name("hadolint")
    done = subprocess.run([program, DOCKERFILE], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_versions_agree() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert f"ARG VERSION={version}\n" in DOCKERFILE.read_text()
    assert f"\nIMAGE ?= rondo:{version}\n" in (ROOT / "Makefile").read_text()
    services = yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text())["services"]
    assert services["server"]["image"] == services["worker"]["image"] == f"${{RONDO_IMAGE:-rondo:{version}}}"


def test_only_what_is_copied_reaches_the_build() -> None:
    """Everything is ignored but what a COPY names, so neither secrets nor data can get into an image."""
    lines = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
    assert lines[0] == "*"
    allowed = [line[1:] for line in lines if line.startswith("!")]
    copied = [
        source
        for line in DOCKERFILE.read_text().splitlines()
        if line.startswith("COPY ") and "--from" not in line
        for source in line.split()[1:-1]
    ]
    for path in allowed:
        assert (ROOT / path).exists(), path
        assert any(fnmatch.fnmatch(path, source) or path.startswith(f"{source}/") for source in copied), path
    for source in copied:
        assert any(path == source or path.startswith(f"{source}/") for path in allowed), source


def test_pip_settings_are_those_of_the_machine(builder: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "more" / "simple").mkdir(parents=True)
    (tmp_path / "constraints.txt").touch()
    settings = builder.pip_settings(_PIP.format(folder=tmp_path))
    assert settings.get("global", "index-url") == "https://name:secret@index.example/simple"  # the variable is stronger
    assert settings.get("global", "extra-index-url").split()[0] == f"file://{tmp_path}/more/simple"
    assert settings.get("install", "constraint") == f"{tmp_path}/constraints.txt"
    wheels = [Path("/opt/wheels")] if Path("/opt/wheels").exists() else []
    assert builder.local_paths(settings) == [*wheels, tmp_path / "constraints.txt", tmp_path / "more"]


def test_the_defaults_are_those_of_the_dockerfile(builder: ModuleType, recorded: Path) -> None:
    builder.build(builder.Build(str(recorded / "docker"), "rondo:1"))
    call = json.loads((recorded / "call.json").read_text())
    assert call["arguments"][:5] == ["build", "--file", "deploy/docker/Dockerfile", "--tag", "rondo:1"]
    assert not any(argument.startswith(("BASE_IMAGE", "TORCH_INDEX_URL")) for argument in call["arguments"])
    assert call["secrets"] == []


def test_pip_settings_are_a_secret_and_no_argument(
    builder: ModuleType, recorded: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(builder, "_pip_config_list", lambda: _PIP.format(folder=recorded))
    for name in ("docker", "podman"):
        builder.build(builder.Build(str(recorded / name), "rondo:1", "debian:12", None, host_pip=True))
        call = json.loads((recorded / "call.json").read_text())
        assert "BASE_IMAGE=debian:12" in call["arguments"]
        assert "TORCH_INDEX_URL=" in call["arguments"]
        assert "name:secret@" not in " ".join(call["arguments"])
        assert "name:secret@" in call["secrets"][0]
        mounts = [argument for argument in call["arguments"] if argument.endswith(":ro")]
        assert bool(mounts) == (name == "podman")  # docker mounts nothing into a build


def test_without_docker_and_podman_it_says_so(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "deploy" / "docker" / "build.py"],
        env={"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr == "build.py: neither docker nor podman can be used here\n"


def _requirements(extras: str) -> subprocess.CompletedProcess[str]:
    program = ROOT / "deploy" / "docker" / "requirements.py"
    return subprocess.run([sys.executable, program, extras], cwd=ROOT, capture_output=True, text=True, check=False)


def test_requirements_are_those_of_the_extras_that_are_named() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    own = project["optional-dependencies"]
    assert _requirements("").stdout.splitlines() == project["dependencies"]
    assert _requirements("s3,postgresql").stdout.splitlines() == project["dependencies"] + own["s3"] + own["postgresql"]


def test_an_extra_that_there_is_not_ends_the_build() -> None:
    done = _requirements("s3,everything")
    assert done.returncode == 1
    assert "there is no extra 'everything'; choose among" in done.stderr
