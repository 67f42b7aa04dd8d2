"""The manifests of deploy/kubernetes as they are applied. Knows their shape, and nothing of Rondo."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).parents[3] / "deploy" / "kubernetes"
SOURCES = {
    **{name: FOLDER / "overlays" / name for name in ("single", "monitored", "with-workers", "per-service")},
    "kserve": FOLDER / "kserve",
}
"""What can be applied, by the name of its file in `rendered`."""

OVERLAYS = [name for name in SOURCES if name != "kserve"]
"""Those that hold Deployments."""

Manifest = dict[str, Any]


def rendered(name: str) -> Path:
    """The file that `make kube-render` wrote."""
    return FOLDER / "rendered" / f"{name}.yaml"


@cache
def manifests(name: str) -> list[Manifest]:
    """All that an overlay applies."""
    return list(yaml.safe_load_all(rendered(name).read_text()))


def of_kind(name: str, *kinds: str) -> list[Manifest]:
    """Those of some kinds."""
    return [manifest for manifest in manifests(name) if manifest["kind"] in kinds]


def called(name: str, kind: str, own_name: str) -> Manifest:
    """The only one of a kind and a name."""
    (found,) = [manifest for manifest in of_kind(name, kind) if manifest["metadata"]["name"] == own_name]
    return found


def labels_match(wanted: dict[str, str], labels: dict[str, str]) -> bool:
    """Whether a selector takes what has these labels; an empty one would take all, and is none here."""
    return bool(wanted) and wanted.items() <= labels.items()


@dataclass(frozen=True, slots=True)
class Workload:
    """A Deployment with its one container."""

    overlay: str
    manifest: Manifest

    @property
    def name(self) -> str:
        return str(self.manifest["metadata"]["name"])

    @property
    def pod(self) -> Manifest:
        """The pods' spec."""
        spec: Manifest = self.manifest["spec"]["template"]["spec"]
        return spec

    @property
    def labels(self) -> dict[str, str]:
        """Of its pods."""
        labels: dict[str, str] = self.manifest["spec"]["template"]["metadata"]["labels"]
        return labels

    @property
    def container(self) -> Manifest:
        (container,) = self.pod["containers"]
        assert isinstance(container, dict)
        return container

    @property
    def is_server(self) -> bool:
        return bool(self.container["args"][0] == "serve")

    def environment(self, secrets: dict[str, dict[str, str]]) -> dict[str, str]:
        """What its process finds there, with these Secrets in the namespace."""
        found: dict[str, str] = {}
        for source in self.container["envFrom"]:
            if "configMapRef" in source:
                found.update(called(self.overlay, "ConfigMap", source["configMapRef"]["name"])["data"])
            else:
                found.update(secrets[source["secretRef"]["name"]])
        for variable in self.container.get("env", []):
            wanted = variable["valueFrom"]["secretKeyRef"]
            found[variable["name"]] = secrets[wanted["name"]][wanted["key"]]
        return found


def workloads(*overlays: str) -> list[Workload]:
    """The Deployments of overlays; of all, if none is named."""
    return [Workload(name, manifest) for name in overlays or OVERLAYS for manifest in of_kind(name, "Deployment")]


def servers() -> list[Workload]:
    """Those that answer requests."""
    return [workload for workload in workloads() if workload.is_server]
