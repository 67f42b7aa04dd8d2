"""Runs a rendered Deployment on this machine with `podman kube play`, and says what it changes in it for that.

Podman has no cluster: it takes a Deployment as one pod, and knows no probes but those that run in a container, no
preStop, and nothing that is about several pods. Of the rest this is changed: the image, the names, and the port, which
is published on loopback, or listened on there by a pod that is to reach other servers of this machine. And for Podman
4.3: what comes from Secrets comes from a ConfigMap and plain variables, since it does not decode them; an emptyDir has
a name of its own, since it is shared with others of that name; and init containers are kept, since it may fail to
remove them. It waits 20 seconds for the end of each of these.
"""

import copy
import json
import os
import secrets
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from tests.deploy.kubernetes.manifests import Manifest, Workload, of_kind

KEEP_INIT_CONTAINERS = {"io.podman.annotations.init.container.type": "always"}
PROBES = ("startupProbe", "readinessProbe", "livenessProbe")
TIMEOUT_S = 120.0

SecretsOfNamespace = Mapping[str, Mapping[str, str]]


@cache
def _environment() -> dict[str, str]:
    """Of podman: on a machine with control groups of both versions only runc works."""
    settings = Path(__file__).with_name("containers.conf")
    return {"CONTAINERS_CONF": str(settings), **os.environ}


def run_podman(*arguments: str) -> subprocess.CompletedProcess[str]:
    """What comes of a command, also if it fails."""
    return subprocess.run(["podman", *arguments], capture_output=True, text=True, timeout=TIMEOUT_S, env=_environment())


def podman(*arguments: str) -> str:
    """What a command prints.

    Raises:
        AssertionError: it fails.
    """
    done = run_podman(*arguments)
    assert done.returncode == 0, f"podman {' '.join(arguments)}: {done.stderr}"
    return done.stdout


@dataclass(frozen=True, slots=True)
class PlayedPod:
    """The pod of one Deployment. What it consists of is named after `name`."""

    name: str
    file: Path

    @property
    def container(self) -> str:
        """The one that is no init container."""
        names = podman("ps", "--all", "--format", "{{.Names}}", "--filter", f"name={self.name}-").split()
        (found,) = [name for name in names if name.endswith("-rondo")]
        return found

    def execute(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command in the container."""
        return run_podman("exec", self.container, *command)

    def inspected(self) -> dict[str, Any]:
        """What Podman says of the container."""
        (found,) = json.loads(podman("inspect", self.container))
        assert isinstance(found, dict)
        return found

    def log(self) -> str:
        """What the container wrote."""
        done = run_podman("logs", self.container)
        return done.stdout + done.stderr

    def keys_file(self) -> Path:
        """Where on this machine the mounted keys are, for a test to change as the kubelet would."""
        return Path(podman("volume", "inspect", "--format", "{{.Mountpoint}}", self.name).strip()) / "keys.json"

    def end(self, grace_s: int) -> int:
        """End the container as the kubelet does, with SIGTERM, and SIGKILL after the grace; its exit status.

        `podman kube down` of Podman 4.3 would send SIGKILL at once.
        """
        podman("stop", "--time", str(grace_s), self.container)
        return int(self.inspected()["State"]["ExitCode"])

    def down(self) -> None:
        """`podman kube down`, which takes all away, for which it may need a second go."""
        done = run_podman("kube", "down", str(self.file))
        if done.returncode != 0:
            assert "device or resource busy" in done.stderr, done.stderr
            podman("kube", "down", str(self.file))

    def clear_away(self) -> None:
        """Take away what is left, whatever happened."""
        run_podman("kube", "down", str(self.file))
        for volume in podman("volume", "ls", "--quiet", "--filter", f"name={self.name}").split():
            run_podman("volume", "rm", "--force", volume)


def play(
    workload: Workload,
    image: str,
    folder: Path,
    kept: SecretsOfNamespace,
    *,
    port: int | None = None,
    host_folder: Path | None = None,
) -> PlayedPod:
    """Start a Deployment.

    Args:
        folder: for the file that is played.
        kept: the Secrets of the namespace.
        port: to ask it at, if it is to be asked.
        host_folder: let the pod reach this folder under the same path, and all servers of this machine's loopback.
    """
    name = f"rondo-test-{secrets.token_hex(4)}"
    deployment, config = copy.deepcopy(workload.manifest), copy.deepcopy(of_kind(workload.overlay, "ConfigMap"))
    deployment["metadata"].update(name=name, annotations=KEEP_INIT_CONTAINERS)
    del deployment["metadata"]["namespace"]
    for manifest in config:
        manifest["metadata"]["name"] = f"{name}-{manifest['metadata']['name']}"
        del manifest["metadata"]["namespace"]
    if "rondo" in kept:
        keys = {"keys.json": kept["rondo"]["keys.json"]}
        config.append({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": keys})
    pod = deployment["spec"]["template"]["spec"]
    _fit_containers(pod, name, image, kept)
    _fit_volumes(pod, name)
    if host_folder is not None:
        _let_out(pod, port, host_folder)
    elif port is not None:
        pod["containers"][0]["ports"][0].update(hostPort=port, hostIP="127.0.0.1")
    played = PlayedPod(name, folder / f"{name}.yaml")
    played.file.write_text(yaml.safe_dump_all([*config, deployment]))
    try:
        podman("kube", "play", str(played.file))
    except BaseException:
        played.clear_away()
        raise
    return played


def _fit_containers(pod: Manifest, name: str, image: str, kept: SecretsOfNamespace) -> None:
    (container,) = pod["containers"]
    for own in (container, *pod.get("initContainers", [])):
        own.update(image=image, imagePullPolicy="Never")
        for mount in own["volumeMounts"]:
            mount["name"] = f"{name}-{mount['name']}"
    for probe in PROBES:  # as commands they would need curl in the image
        container.pop(probe, None)
    variables: dict[str, str] = {}
    for source in container["envFrom"]:
        if "secretRef" in source:
            variables.update(kept[source["secretRef"]["name"]])
        else:
            source["configMapRef"]["name"] = f"{name}-{source['configMapRef']['name']}"
    for variable in container.get("env", []):
        wanted = variable["valueFrom"]["secretKeyRef"]
        variables[variable["name"]] = kept[wanted["name"]][wanted["key"]]
    container["envFrom"] = [source for source in container["envFrom"] if "secretRef" not in source]
    container["env"] = [{"name": variable, "value": value} for variable, value in variables.items()]


def _fit_volumes(pod: Manifest, name: str) -> None:
    for volume in pod["volumes"]:
        volume["name"] = f"{name}-{volume['name']}"
        if "secret" in volume:
            volume["configMap"] = {"name": name, "items": volume.pop("secret")["items"]}


def _let_out(pod: Manifest, port: int | None, folder: Path) -> None:
    pod["hostNetwork"] = True
    (container,) = pod["containers"]
    if port is not None:
        container["args"][container["args"].index("--port") + 1] = str(port)
        del container["ports"]
    pod["volumes"].append({"name": "of-this-machine", "hostPath": {"path": str(folder)}})
    container["volumeMounts"].append({"name": "of-this-machine", "mountPath": str(folder)})
