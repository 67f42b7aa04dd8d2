"""Runs a rendered overlay on this machine with `podman kube play`, and says what it changes in the manifests for that.

Podman has no cluster: it takes a Deployment as one pod, and knows no probes but those that run in a container, no
preStop, and nothing that is about several pods. Of the rest this is changed: the image, the names, and the port, which
is published on loopback. And for Podman 4.3: what comes from the Secret comes from a ConfigMap and a plain variable,
since it does not decode Secrets; an emptyDir has a name of its own, since it is shared with others of that name; and
init containers are kept, since it may fail to remove them. It waits 20 seconds for the end of each of these.
"""

import copy
import json
import secrets
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from tests.deploy.kubernetes.manifests import Manifest, of_kind

STATE_KEY = "a key of states that all replicas share"
KEEP_INIT_CONTAINERS = {"io.podman.annotations.init.container.type": "always"}
TIMEOUT_S = 120.0
PROBES = ("startupProbe", "readinessProbe", "livenessProbe")


def podman(*arguments: str) -> str:
    """What a command prints.

    Raises:
        AssertionError: it fails.
    """
    done = subprocess.run(["podman", *arguments], capture_output=True, text=True, timeout=TIMEOUT_S)
    assert done.returncode == 0, f"podman {' '.join(arguments)}: {done.stderr}"
    return done.stdout


@dataclass(frozen=True, slots=True)
class PlayedPod:
    """The pod of one Deployment. What it consists of is named after `name`."""

    name: str
    file: Path

    def log(self) -> str:
        """What the container wrote."""
        return podman("logs", self.container)

    def end(self, grace_s: int) -> int:
        """End the container as the kubelet does, with SIGTERM, and SIGKILL after the grace; its exit status.

        `podman kube down` of Podman 4.3 would send SIGKILL at once.
        """
        podman("stop", "--time", str(grace_s), self.container)
        return int(self.inspected()["State"]["ExitCode"])

    def down(self) -> None:
        """`podman kube down`, which takes all away, for which it may need a second go."""
        command = ["podman", "kube", "down", str(self.file)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S)
        if done.returncode != 0:
            assert "device or resource busy" in done.stderr, done.stderr
            podman(*command[1:])

    @property
    def container(self) -> str:
        """The name that Podman gives to the one container of a Deployment's first pod."""
        names = podman("ps", "--all", "--format", "{{.Names}}", "--filter", f"name={self.name}-pod").split()
        (found,) = [name for name in names if name.endswith("-rondo")]
        return found

    def execute(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command in the container."""
        return subprocess.run(["podman", "exec", self.container, *command], capture_output=True, text=True, timeout=60)

    def inspected(self) -> dict[str, Any]:
        """What Podman says of the container."""
        (found,) = json.loads(podman("inspect", self.container))
        assert isinstance(found, dict)
        return found

    def keys_file(self) -> Path:
        """Where on this machine the mounted keys are, for a test to change as the kubelet would."""
        return Path(podman("volume", "inspect", "--format", "{{.Mountpoint}}", self.name).strip()) / "keys.json"

    def clear_away(self) -> None:
        """Take away what is left, whatever happened."""
        volumes = podman("volume", "ls", "--quiet", "--filter", f"name={self.name}").split()
        for leftover in (["kube", "down", str(self.file)], *(["volume", "rm", "--force", name] for name in volumes)):
            subprocess.run(["podman", *leftover], capture_output=True, timeout=TIMEOUT_S)


def play(overlay: str, image: str, port: int, keys: Path, folder: Path) -> PlayedPod:
    """Start the one Deployment of an overlay, with a file of keys as its Secret."""
    name = f"rondo-test-{secrets.token_hex(4)}"
    (deployment,) = copy.deepcopy(of_kind(overlay, "Deployment"))
    config = copy.deepcopy(of_kind(overlay, "ConfigMap"))
    for manifest in (deployment, *config):
        manifest["metadata"]["name"] = manifest["metadata"]["name"].replace("rondo", name)
        del manifest["metadata"]["namespace"]
    deployment["metadata"]["annotations"] = KEEP_INIT_CONTAINERS
    _fit_pod(deployment["spec"]["template"]["spec"], name, image, port)
    secret = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name},
        "data": {"keys.json": keys.read_text()},
    }
    pod = PlayedPod(name, folder / f"{name}.yaml")
    pod.file.write_text(yaml.safe_dump_all([secret, *config, deployment]))
    try:
        podman("kube", "play", str(pod.file))
    except BaseException:
        pod.clear_away()
        raise
    return pod


def _fit_pod(spec: Manifest, name: str, image: str, port: int) -> None:
    (container,) = spec["containers"]
    for own in (container, *spec["initContainers"]):
        own.update(image=image, imagePullPolicy="Never")
        for mount in own["volumeMounts"]:
            mount["name"] = f"{name}-{mount['name']}"
    for probe in PROBES:  # as a command they would need curl in the image
        del container[probe]
    (published,) = container["ports"]
    published.update(hostPort=port, hostIP="127.0.0.1")
    (source,) = container["envFrom"]
    source["configMapRef"]["name"] = source["configMapRef"]["name"].replace("rondo", name)
    (state_key,) = container["env"]
    del state_key["valueFrom"]
    state_key["value"] = STATE_KEY
    for volume in spec["volumes"]:
        volume["name"] = f"{name}-{volume['name']}"
        if "secret" in volume:
            volume["configMap"] = {"name": name, "items": volume.pop("secret")["items"]}
