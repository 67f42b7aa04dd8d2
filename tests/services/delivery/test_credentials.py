"""Where credentials come from, and that they stay there."""

import base64
import json
import os
from pathlib import Path
from typing import Any

import pytest

from rondo_services.delivery.credentials import Credentials, credentials_for
from rondo_services.delivery.errors import DeliveryError

AUTH = base64.b64encode(b"me:pass:word").decode()
HUSH = "hush-hush"


def _write(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))


def _helper(folder: Path, name: str, script: str) -> None:
    program = folder / f"docker-credential-{name}"
    program.write_text(f"#!/bin/sh\nread host\n{script}\n")
    program.chmod(0o755)


def test_nobody_is_known(tmp_path: Path) -> None:
    assert credentials_for("h.test", {}, tmp_path) is None


def test_a_user_may_have_no_home(tmp_path: Path) -> None:
    """A container's, of whom the system has no entry."""
    assert credentials_for("h.test", {}, None) is None
    _write(tmp_path / "config.json", {"auths": {"h.test": {"auth": AUTH}}})
    assert credentials_for("h.test", {"DOCKER_CONFIG": str(tmp_path)}, None) == Credentials("me", "pass:word")


def test_variables_come_first(tmp_path: Path) -> None:
    _write(tmp_path / ".docker/config.json", {"auths": {"h.test": {"auth": AUTH}}})
    own = {"RONDO_REGISTRY_USERNAME": "you", "RONDO_REGISTRY_PASSWORD": HUSH}
    assert credentials_for("h.test", own, tmp_path) == Credentials("you", HUSH)
    with pytest.raises(DeliveryError, match=r"set both"):
        credentials_for("h.test", {"RONDO_REGISTRY_USERNAME": "you"}, tmp_path)


def test_files_of_docker_and_podman(tmp_path: Path) -> None:
    environment = {
        "REGISTRY_AUTH_FILE": str(tmp_path / "one.json"),
        "DOCKER_CONFIG": str(tmp_path / "docker"),
        "XDG_RUNTIME_DIR": str(tmp_path / "run"),
    }
    _write(tmp_path / "one.json", {"auths": {"one.test:5000": {"auth": AUTH}}})
    _write(tmp_path / "docker/config.json", {"auths": {"https://two.test/v1/": {"username": "b", "password": "c"}}})
    _write(tmp_path / "run/containers/auth.json", {"auths": {"three.test": {"identitytoken": HUSH}}})
    found = [credentials_for(host, environment, tmp_path) for host in ("one.test:5000", "two.test", "three.test")]
    assert found == [Credentials("me", "pass:word"), Credentials("b", "c"), Credentials("", "", HUSH)]
    assert credentials_for("one.test", environment, tmp_path) is None


def test_docker_hub_has_two_names(tmp_path: Path) -> None:
    _write(tmp_path / ".docker/config.json", {"auths": {"https://index.docker.io/v1/": {"auth": AUTH}}})
    assert credentials_for("docker.io", {}, tmp_path) == Credentials("me", "pass:word")


def test_helpers_are_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    _helper(tmp_path, "one", f'echo "{{\\"Username\\": \\"for $host\\", \\"Secret\\": \\"{HUSH}\\"}}"')
    _helper(tmp_path, "two", f'echo \'{{"Username": "<token>", "Secret": "{HUSH}"}}\'')
    _helper(tmp_path, "none", "echo credentials not found in native keychain; exit 1")
    _helper(tmp_path, "broken", f"echo {HUSH}; exit 3")
    _helper(tmp_path, "odd", f"echo {HUSH}")
    _helper(tmp_path, "empty", "echo {}")
    helpers = {f"{name}.test": name for name in ("two", "none", "broken", "odd", "empty")}
    config = {"credHelpers": {**helpers, "away.test": "away", "bad.test": "../x"}, "credsStore": "one"}
    _write(tmp_path / ".docker/config.json", {**config, "auths": {"one.test": {}}})
    assert credentials_for("one.test", {}, tmp_path) == Credentials("for one.test", HUSH)
    assert credentials_for("docker.io", {}, tmp_path) == Credentials("for https://index.docker.io/v1/", HUSH)
    assert credentials_for("two.test", {}, tmp_path) == Credentials("", "", HUSH)
    assert credentials_for("none.test", {}, tmp_path) is None
    for host, message in [
        ("broken.test", "docker-credential-broken, .* ended with status 3"),
        ("odd.test", "config.json can't be read as a file of credentials: JSONDecodeError"),
        ("empty.test", "config.json can't be read as a file of credentials: KeyError"),
        ("away.test", "docker-credential-away, which is to know the credentials, does not run"),
        ("bad.test", "is no name of a helper"),
    ]:
        with pytest.raises(DeliveryError, match=message) as refusal:
            credentials_for(host, {}, tmp_path)
        assert HUSH not in str(refusal.value)


@pytest.mark.parametrize("content", ["{", "[]", {"auths": {"h.test": {"auth": HUSH + "é"}}}, {"auths": {"h.test": 3}}])
def test_a_file_that_can_not_be_read(tmp_path: Path, content: Any) -> None:
    _write(tmp_path / ".docker/config.json", content)
    with pytest.raises(DeliveryError, match=r"config.json can't be read as a file of credentials") as refusal:
        credentials_for("h.test", {}, tmp_path)
    assert HUSH not in str(refusal.value)


def test_they_are_not_in_a_representation() -> None:
    assert HUSH not in repr(Credentials("me", HUSH, HUSH))
