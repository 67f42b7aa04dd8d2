"""Who we are to a registry: from two variables, else from the files that Docker, Podman and their like keep.

A file may name a helper program, which is asked as they ask it.
"""

import base64
import json
import re
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .errors import DeliveryError

USER_VARIABLE = "RONDO_REGISTRY_USERNAME"
PASSWORD_VARIABLE = "RONDO_REGISTRY_PASSWORD"
_HELPER_TIMEOUT_S = 30.0
_HELPER = re.compile(r"[A-Za-z0-9_.-]+")
_IS_TOKEN = "<token>"
"""What helpers call the user if the secret is no password."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """A user and a password, or an identity token in its place."""

    user: str
    password: str = field(default="", repr=False)
    identity_token: str = field(default="", repr=False)


def credentials_for(host: str, environment: Mapping[str, str], home: Path | None) -> Credentials | None:
    """Those of a registry, if there are any.

    Args:
        home: the user's, if that has one.

    Raises:
        DeliveryError: a file can't be read, a helper does not work, or only one of the variables is set.
    """
    user, password = environment.get(USER_VARIABLE, ""), environment.get(PASSWORD_VARIABLE, "")
    if bool(user) != bool(password):
        raise DeliveryError(f"set both {USER_VARIABLE} and {PASSWORD_VARIABLE}, or neither")
    if user:
        return Credentials(user, password)
    for path in _files(environment, home):
        if path.is_file() and (found := _in_file(path, host)) is not None:
            return found
    return None


def _files(environment: Mapping[str, str], home: Path | None) -> Iterator[Path]:
    if named := environment.get("REGISTRY_AUTH_FILE"):
        yield Path(named)
    if docker := environment.get("DOCKER_CONFIG") or (home and home / ".docker"):
        yield Path(docker) / "config.json"
    if runtime := environment.get("XDG_RUNTIME_DIR"):
        yield Path(runtime) / "containers" / "auth.json"


def _in_file(path: Path, host: str) -> Credentials | None:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        helper = (content.get("credHelpers") or {}).get(host)
        if helper:
            return _of_helper(helper, host)
        entries = {_host_of(name): entry for name, entry in (content.get("auths") or {}).items()}
        found = _of_entry(entries.get(host) or {})
        if found is None and content.get("credsStore"):
            return _of_helper(content["credsStore"], host)
        return found
    except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
        raise DeliveryError(f"{path} can't be read as a file of credentials: {type(error).__name__}") from error


def _host_of(name: str) -> str:
    """The host of an entry's name, which may be written as a URL; that of Docker Hub has two names."""
    host = re.sub(r"^https?://", "", name).split("/")[0]
    return "docker.io" if host == "index.docker.io" else host


def _of_entry(entry: Mapping[str, Any]) -> Credentials | None:
    user, password = entry.get("username", ""), entry.get("password", "")
    if entry.get("auth"):
        user, _, password = base64.b64decode(entry["auth"]).decode("utf-8").partition(":")
    token = entry.get("identitytoken", "")
    return Credentials(user, password.rstrip("\0"), token) if user or token else None


def _of_helper(name: str, host: str) -> Credentials | None:
    if not _HELPER.fullmatch(name):
        raise DeliveryError(f"{name!r} is no name of a helper for credentials")
    program = f"docker-credential-{name}"
    asked = "https://index.docker.io/v1/" if host == "docker.io" else host
    try:
        ended = subprocess.run(
            [program, "get"], input=asked, capture_output=True, text=True, timeout=_HELPER_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise DeliveryError(f"{program}, which is to know the credentials, does not run: {error}") from error
    if ended.returncode != 0:
        if "credentials not found" in ended.stdout + ended.stderr:
            return None
        raise DeliveryError(f"{program}, which is to know the credentials, ended with status {ended.returncode}")
    answer = json.loads(ended.stdout)
    user, secret = answer["Username"], answer["Secret"]
    return Credentials("", identity_token=secret) if user == _IS_TOKEN else Credentials(user, secret)
