"""The manifests are what Kustomize makes of their sources, and have no field that the cluster does not know."""

import copy
import shutil
import subprocess
from typing import Any

import kserve
import kubernetes.client
import kubernetes_validate
import pytest
from tests.deploy.kubernetes.manifests import FOLDER, OVERLAYS, SOURCES, Manifest, called, manifests, of_kind, rendered

NEWEST = kubernetes_validate.latest_version()
OLDEST = "1.29.0"
CUSTOM = ("ServiceMonitor", "ServingRuntime", "InferenceService")


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="no kubectl here, which has Kustomize within")
@pytest.mark.parametrize("name", SOURCES)
def test_what_is_rendered_is_up_to_date(name: str) -> None:
    made = subprocess.run(["kubectl", "kustomize", str(SOURCES[name])], capture_output=True, text=True, timeout=60)
    assert made.returncode == 0, made.stderr
    assert made.stdout == rendered(name).read_text(), "run `make kube-render`"


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
