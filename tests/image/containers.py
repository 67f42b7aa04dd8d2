"""Containers and images of docker or podman, by its command line."""

import json
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import httpx
from tests.system.conftest import free_port

_HARDENED = ("--read-only", "--tmpfs=/tmp", "--cap-drop=ALL", "--security-opt=no-new-privileges")
_LIMITS = ("--memory=1g", "--cpus=2")
_READY_TIMEOUT_S = 60.0


class Containers:
    """Runs an image as it is to be run: nothing can be written but /tmp and the state, no rights, limits.

    Args:
        program: docker or podman.
    """

    def __init__(self, program: str, image: str) -> None:
        self.image = image
        self._program = program

    def ask(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a command of the program."""
        done = subprocess.run([self._program, *arguments], capture_output=True, text=True, check=False)
        if check and done.returncode:
            raise AssertionError(f"{' '.join(arguments)} ended with {done.returncode}: {done.stdout}{done.stderr}")
        return done

    def run(
        self,
        *arguments: str,
        options: Sequence[str] = (),
        settings: Mapping[str, str] | None = None,
        check: bool = True,
    ) -> subprocess.CompletedProcess[str]:
        """Run a container to its end."""
        return self.ask(*self._run(options, settings or {}), "--rm", self.image, *arguments, check=check)

    @contextmanager
    def running(
        self, *arguments: str, options: Sequence[str] = (), settings: Mapping[str, str] | None = None
    ) -> Iterator["Container"]:
        """A container that runs in the background, and is removed at the end."""
        identifier = self.ask(*self._run(options, settings or {}), "--detach", self.image, *arguments).stdout.strip()
        try:
            yield Container(self, identifier)
        finally:
            self.ask("rm", "--force", "--volumes", identifier, check=False)

    @contextmanager
    def serving(
        self, *, options: Sequence[str] = (), settings: Mapping[str, str] | None = None, key: str = ""
    ) -> Iterator[tuple["Container", httpx.Client]]:
        """A server that is ready, and a client of it."""
        port = str(free_port())
        headers = {"authorization": f"Bearer {key}"} if key else {}
        own = {"HOST": "127.0.0.1", **(settings or {}), "PORT": port}
        with (
            self.running(options=options, settings=own) as container,
            httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=60.0) as client,
        ):
            container.wait_until_ready(client)
            yield container, client

    @contextmanager
    def volume(self) -> Iterator[str]:
        """Options that mount a new state volume."""
        name = self.ask("volume", "create").stdout.strip()
        try:
            yield f"--volume={name}:/var/lib/rondo"
        finally:
            self.ask("volume", "rm", "--force", name, check=False)

    def size(self, image: str) -> int:
        """Bytes of an image, its base included."""
        return int(self.ask("image", "inspect", image, "--format", "{{.Size}}").stdout)

    def has(self, image: str) -> bool:
        """Whether the image is here."""
        return self.ask("image", "inspect", image, check=False).returncode == 0

    def configuration(self) -> Mapping[str, Any]:
        """What the image says how it is to be run."""
        found: dict[str, Any] = json.loads(self.ask("image", "inspect", self.image).stdout)[0]
        healthcheck = found.get("HealthCheck") or found.get("Healthcheck")  # podman has it beside, docker within
        return {"Healthcheck": healthcheck, **found["Config"]}

    def _run(self, options: Sequence[str], settings: Mapping[str, str]) -> list[str]:
        variables = [f"--env={name}={value}" for name, value in settings.items()]
        return ["run", *_HARDENED, *_LIMITS, "--network=host", *variables, *options]


class Container:
    """One that runs, or has."""

    def __init__(self, containers: Containers, identifier: str) -> None:
        self._containers = containers
        self._identifier = identifier

    def wait_until_ready(self, client: httpx.Client) -> None:
        """Return when the server answers that it is ready."""
        deadline = time.monotonic() + _READY_TIMEOUT_S
        while time.monotonic() < deadline:
            try:
                if client.get("/health/ready").status_code == 200:
                    return
            except httpx.TransportError:
                assert self.state()["Running"], self.log()
            time.sleep(0.02)
        raise AssertionError(f"not ready in {_READY_TIMEOUT_S} s: {self.log()}")

    def execute(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command in it."""
        return self._containers.ask("exec", self._identifier, *command, check=False)

    def stop(self) -> float:
        """Send SIGTERM, and SIGKILL after 30 s; the seconds that it took."""
        began = time.monotonic()
        self._containers.ask("stop", "--time=30", self._identifier)
        return time.monotonic() - began

    def state(self) -> Mapping[str, Any]:
        """As the program has it: Running, ExitCode, OOMKilled."""
        state: dict[str, Any] = json.loads(self._containers.ask("inspect", self._identifier).stdout)[0]["State"]
        return state

    def log(self) -> str:
        """What it has written."""
        done = self._containers.ask("logs", self._identifier, check=False)
        return done.stdout + done.stderr
