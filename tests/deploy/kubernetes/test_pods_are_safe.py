"""Every pod keeps to the restricted profile, has its share of a node, and knows nothing of the cluster."""

import pytest
from tests.deploy.kubernetes.manifests import OVERLAYS, Manifest, Workload, of_kind, workloads

by_workload = pytest.mark.parametrize(
    "workload", workloads(), ids=lambda workload: f"{workload.overlay}-{workload.name}"
)


def _containers(workload: Workload) -> list[Manifest]:
    return [workload.container, *workload.pod.get("initContainers", [])]


@by_workload
def test_pods_keep_to_the_restricted_profile(workload: Workload) -> None:
    security = workload.pod["securityContext"]
    assert security["runAsNonRoot"] is True
    assert security["runAsUser"] == security["runAsGroup"] == security["fsGroup"] == 10001  # of the image
    assert security["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in _containers(workload):
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }


def test_kserves_container_keeps_to_it_too() -> None:
    (runtime,) = of_kind("kserve", "ServingRuntime")
    security = runtime["spec"]["containers"][0]["securityContext"]
    assert security["runAsNonRoot"] is True
    assert security["readOnlyRootFilesystem"] is True
    assert security["allowPrivilegeEscalation"] is False
    assert security["capabilities"] == {"drop": ["ALL"]}
    assert security["seccompProfile"] == {"type": "RuntimeDefault"}


@by_workload
def test_pods_know_nothing_of_the_cluster(workload: Workload) -> None:
    assert workload.pod["automountServiceAccountToken"] is False
    assert workload.pod["enableServiceLinks"] is False


@by_workload
def test_pods_are_guaranteed_what_they_may_use(workload: Workload) -> None:
    for container in _containers(workload):
        assert container["resources"]["requests"] == container["resources"]["limits"]
        assert container["resources"]["limits"].keys() == {"cpu", "memory"}


@by_workload
def test_images_have_a_version(workload: Workload) -> None:
    assert {container["image"] for container in _containers(workload)} == {"rondo:0.1.0"}


@by_workload
def test_what_can_be_written_is_bounded(workload: Workload) -> None:
    for volume in workload.pod["volumes"]:
        assert "secret" in volume or volume["emptyDir"]["sizeLimit"].endswith("Gi")


def test_the_namespace_refuses_other_pods() -> None:
    for overlay in [*OVERLAYS, "kserve"]:
        (namespace,) = of_kind(overlay, "Namespace")
        assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"


def test_no_secret_is_in_the_manifests() -> None:
    for overlay in [*OVERLAYS, "kserve"]:
        assert of_kind(overlay, "Secret") == []
