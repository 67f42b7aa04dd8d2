"""The manifests are what Kustomize makes of their sources, and have no field that the cluster does not know."""

import copy
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import kserve
import kubernetes.client
import kubernetes_validate
import pytest
import yaml
from tests.deploy.kubernetes.manifests import FOLDER, OVERLAYS, SOURCES, Manifest, called, manifests, of_kind, rendered

NEWEST = kubernetes_validate.latest_version()
OLDEST = "1.29.0"
CUSTOM = ("ServiceMonitor", "ServingRuntime", "InferenceService")


needs_kustomize = pytest.mark.skipif(
    shutil.which("kubectl") is None, reason="no kubectl here, which has Kustomize within"
)


def _kustomized(folder: Path) -> str:
    made = subprocess.run(["kubectl", "kustomize", str(folder)], capture_output=True, text=True, timeout=60)
    assert made.returncode == 0, made.stderr
    return made.stdout


def _kustomized_by_a_user(folder: Path, kustomization: str) -> list[Manifest]:
    """Of a folder of a user's own, in which `rondo` is this repository."""
    (folder / "rondo").symlink_to(FOLDER.parents[1])
    (folder / "kustomization.yaml").write_text(kustomization)
    return list(yaml.safe_load_all(_kustomized(folder)))


@needs_kustomize
@pytest.mark.parametrize("name", SOURCES)
def test_what_is_rendered_is_up_to_date(name: str) -> None:
    assert _kustomized(SOURCES[name]) == rendered(name).read_text(), "run `make kube-render`"


@needs_kustomize
def test_the_overlay_in_the_readme_can_be_built(tmp_path: Path) -> None:
    (example,) = re.findall(r"```yaml\n(.*?)```", (FOLDER / "README.md").read_text(), re.DOTALL)
    made = {manifest["kind"]: manifest for manifest in _kustomized_by_a_user(tmp_path, example)}
    assert made["ConfigMap"]["data"]["RONDO_MAX_WAITING"] == "2048"
    assert made["ConfigMap"]["data"]["RONDO_OPEN_TO_ALL"] == "metrics"
    pod = made["Deployment"]["spec"]["template"]["spec"]
    assert {own["image"] for own in [*pod["containers"], *pod["initContainers"]]} == {"registry.example/rondo:0.1.0"}


@needs_kustomize
def test_components_fit_a_deployment_for_each_service(tmp_path: Path) -> None:
    parts = "rondo/deploy/kubernetes"
    overlay = f"""
        resources: [{parts}/overlays/per-service]
        components: [{parts}/components/monitoring, {parts}/components/workers]
        """
    made = _kustomized_by_a_user(tmp_path, overlay)
    servers = [
        manifest
        for manifest in made
        if manifest["metadata"].get("labels", {}).get("app.kubernetes.io/component") == "server"
    ]
    settings = [manifest["data"] for manifest in servers if manifest["kind"] == "ConfigMap"]
    assert [(one["RONDO_OPEN_TO_ALL"], one["RONDO_JOBS"]) for one in settings] == [("metrics", "off")] * 4
    scaled = [manifest["spec"]["metrics"] for manifest in servers if manifest["kind"] == "HorizontalPodAutoscaler"]
    assert [[metric["type"] for metric in metrics] for metrics in scaled] == [["Pods", "Resource"]] * 4
    assert [manifest["metadata"]["name"] for manifest in made if manifest["kind"] == "ServiceMonitor"] == ["rondo"]


def test_every_overlay_is_rendered() -> None:
    assert {path.name for path in (FOLDER / "overlays").iterdir()} == set(OVERLAYS)
    assert {path.stem for path in (FOLDER / "rendered").iterdir()} == set(SOURCES)


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
@pytest.mark.parametrize("name", SOURCES)
def test_fields_are_those_of_kubernetes(name: str, version: str) -> None:
    for manifest in manifests(name):
        if manifest["kind"] not in CUSTOM:
            kubernetes_validate.validate(manifest, version, strict=True)


def test_a_field_that_is_none_would_be_found() -> None:
    wrong = copy.deepcopy(called("single", "Deployment", "rondo"))
    wrong["spec"]["template"]["spec"]["terminationGraceSeconds"] = 5
    with pytest.raises(kubernetes_validate.ValidationError, match="terminationGraceSeconds"):
        kubernetes_validate.validate(wrong, NEWEST, strict=True)


def unknown_fields(value: Any, kind: str, path: str = "") -> list[str]:
    """Fields that a type of KServe's client does not have, also deep within."""
    if kind.startswith(("list[", "dict(")):
        within = kind[5:-1].split(", ")[-1]
        parts = value.items() if isinstance(value, dict) else enumerate(value)
        return [found for at, part in parts for found in unknown_fields(part, within, f"{path}/{at}")]
    model = getattr(kserve, kind, None) or getattr(kubernetes.client, kind, None)
    if model is None:
        return []  # a plain value
    names = {own: model.openapi_types[attribute] for attribute, own in model.attribute_map.items()}
    found = [f"{path}/{name}" for name in value if name not in names]
    for name in value.keys() & names.keys():
        found += unknown_fields(value[name], names[name], f"{path}/{name}")
    return found


@pytest.mark.parametrize(
    ("kind", "model"),
    [("ServingRuntime", "V1alpha1ServingRuntime"), ("InferenceService", "V1beta1InferenceService")],
)
def test_fields_are_those_of_kserve(kind: str, model: str) -> None:
    (manifest,) = of_kind("kserve", kind)
    assert unknown_fields(manifest, model) == []


def test_a_field_that_is_none_of_kserve_would_be_found() -> None:
    wrong: Manifest = copy.deepcopy(of_kind("kserve", "ServingRuntime")[0])
    wrong["spec"]["containers"][0]["readinessProbe"]["httpGet"]["url"] = "/"
    wrong["spec"]["protocolVersion"] = "v2"
    assert unknown_fields(wrong, "V1alpha1ServingRuntime") == [
        "/spec/protocolVersion",
        "/spec/containers/0/readinessProbe/httpGet/url",
    ]
