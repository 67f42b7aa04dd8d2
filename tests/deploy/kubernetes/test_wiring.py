"""What one manifest says of another holds: selectors take the pods that are meant, and all names are there."""

from typing import Any

import pytest
from tests.deploy.kubernetes.manifests import (
    OVERLAYS,
    Manifest,
    Workload,
    called,
    labels_match,
    of_kind,
    servers,
    workloads,
)

by_overlay = pytest.mark.parametrize("overlay", OVERLAYS)
SELECTED = {
    "Service": lambda spec: spec["selector"],
    "PodDisruptionBudget": lambda spec: spec["selector"]["matchLabels"],
    "NetworkPolicy": lambda spec: spec["podSelector"]["matchLabels"],
}


def _taken(overlay: str, selector: dict[str, str]) -> list[str]:
    return [workload.name for workload in workloads(overlay) if labels_match(selector, workload.labels)]


@by_overlay
def test_deployments_select_their_own_pods_only(overlay: str) -> None:
    for workload in workloads(overlay):
        assert _taken(overlay, workload.manifest["spec"]["selector"]["matchLabels"]) == [workload.name]


@by_overlay
@pytest.mark.parametrize("kind", SELECTED)
def test_selectors_take_the_deployment_of_the_same_name_only(overlay: str, kind: str) -> None:
    for manifest in of_kind(overlay, kind):
        assert _taken(overlay, SELECTED[kind](manifest["spec"])) == [manifest["metadata"]["name"]]


@by_overlay
def test_every_server_has_all_that_belongs_to_it(overlay: str) -> None:
    names = {kind: {manifest["metadata"]["name"] for manifest in of_kind(overlay, kind)} for kind in SELECTED}
    scaled = {hpa["spec"]["scaleTargetRef"]["name"] for hpa in of_kind(overlay, "HorizontalPodAutoscaler")}
    for workload in workloads(overlay):
        assert workload.name in names["NetworkPolicy"] & scaled
        if workload.is_server:
            assert workload.name in names["Service"] & names["PodDisruptionBudget"]


@by_overlay
def test_autoscalers_scale_a_deployment_that_leaves_them_the_number(overlay: str) -> None:
    for autoscaler in of_kind(overlay, "HorizontalPodAutoscaler"):
        target = autoscaler["spec"]["scaleTargetRef"]
        scaled = called(overlay, target["kind"], target["name"])
        assert scaled["apiVersion"] == target["apiVersion"]
        assert "replicas" not in scaled["spec"]  # each `kubectl apply` would set it back


@by_overlay
def test_a_budget_lets_a_pod_go_where_there_are_two(overlay: str) -> None:
    for budget in of_kind(overlay, "PodDisruptionBudget"):
        autoscaler = called(overlay, "HorizontalPodAutoscaler", budget["metadata"]["name"])
        assert 0 < budget["spec"]["minAvailable"] < autoscaler["spec"]["minReplicas"]


@pytest.mark.parametrize("server", servers(), ids=lambda server: f"{server.overlay}-{server.name}")
def test_ports_are_where_the_server_listens(server: Workload) -> None:
    arguments = server.container["args"]
    ports = {port["name"]: port["containerPort"] for port in server.container["ports"]}
    assert ports == {"http": int(arguments[arguments.index("--port") + 1])}
    service = called(server.overlay, "Service", server.name)["spec"]
    assert [port["targetPort"] for port in service["ports"]] == ["http"]
    policy = called(server.overlay, "NetworkPolicy", server.name)["spec"]
    assert [port["port"] for rule in policy["ingress"] for port in rule["ports"]] == ["http"]
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert server.container[probe]["httpGet"]["port"] == "http"


@pytest.mark.parametrize("workload", workloads(), ids=lambda workload: f"{workload.overlay}-{workload.name}")
def test_what_is_mounted_is_there(workload: Workload) -> None:
    volumes = {volume["name"] for volume in workload.pod["volumes"]}
    containers = [workload.container, *workload.pod.get("initContainers", [])]
    assert {mount["name"] for container in containers for mount in container["volumeMounts"]} == volumes
    for constraint in workload.pod.get("topologySpreadConstraints", []):
        assert _taken(workload.overlay, constraint["labelSelector"]["matchLabels"]) == [workload.name]


def test_the_link_to_the_keys_is_in_the_state_folder_and_leads_to_the_secret() -> None:
    for server in servers():
        (keys,) = server.pod["initContainers"]
        *_, target, link = keys["command"]
        (secret,) = [volume["secret"] for volume in server.pod["volumes"] if volume["name"] == "keys"]
        (mounted,) = [mount for mount in server.container["volumeMounts"] if mount["name"] == "keys"]
        assert target == f"{mounted['mountPath']}/{secret['items'][0]['path']}"
        settings = server.environment({"rondo": {"state-key": ""}, "rondo-jobs": {}})
        assert link == f"{settings['RONDO_STATE_DIR']}/keys.json"


def _allowed_out(policy: Manifest) -> list[tuple[Any, ...]]:
    return [(port["protocol"], port["port"]) for rule in policy["spec"]["egress"] for port in rule["ports"]]


NAMES = [("UDP", 53), ("TCP", 53)]
STORAGE = [("TCP", 5432), ("TCP", 443)]


@by_overlay
def test_nothing_but_names_and_storage_may_be_asked(overlay: str) -> None:
    for policy in of_kind(overlay, "NetworkPolicy"):
        assert set(policy["spec"]["policyTypes"]) == {"Ingress", "Egress"}
        assert _allowed_out(policy) == NAMES + (STORAGE if overlay == "with-workers" else [])
        (to,) = policy["spec"]["egress"][0]["to"]
        assert to["namespaceSelector"]["matchLabels"] == {"kubernetes.io/metadata.name": "kube-system"}
        (resolver,) = to["podSelector"]["matchExpressions"]
        assert to["podSelector"].keys() == {"matchExpressions"}, "Kustomize added our labels to those of the resolver"
        assert resolver["key"] == "k8s-app"


def test_workers_may_not_be_asked_at_all() -> None:
    assert "ingress" not in called("with-workers", "NetworkPolicy", "rondo-worker")["spec"]


def test_servers_may_be_asked_from_here_and_from_namespaces_that_are_allowed() -> None:
    for server in servers():
        (rule,) = called(server.overlay, "NetworkPolicy", server.name)["spec"]["ingress"]
        here, elsewhere = rule["from"]
        assert here == {"podSelector": {}}
        assert elsewhere == {"namespaceSelector": {"matchLabels": {"rondo-clients": "allowed"}}}


def test_all_is_in_one_namespace() -> None:
    for overlay in [*OVERLAYS, "kserve"]:
        (namespace,) = of_kind(overlay, "Namespace")
        for manifest in of_kind(overlay, "Deployment", "Service", "ConfigMap", "InferenceService", "ServingRuntime"):
            assert manifest["metadata"]["namespace"] == namespace["metadata"]["name"]


def test_prometheus_reads_every_server_once() -> None:
    (monitor,) = of_kind("monitored", "ServiceMonitor")
    (service,) = of_kind("monitored", "Service")
    assert labels_match(monitor["spec"]["selector"]["matchLabels"], service["metadata"]["labels"])
    assert service["metadata"]["labels"][monitor["spec"]["jobLabel"]] == "rondo"
    (endpoint,) = monitor["spec"]["endpoints"]
    assert endpoint["port"] in [port["name"] for port in service["spec"]["ports"]]
    assert int(endpoint["scrapeTimeout"].rstrip("s")) < int(endpoint["interval"].rstrip("s"))


def test_kserve_runs_the_model_in_this_runtime() -> None:
    (runtime,) = of_kind("kserve", "ServingRuntime")
    (service,) = of_kind("kserve", "InferenceService")
    model = service["spec"]["predictor"]["model"]
    assert model["runtime"] == runtime["metadata"]["name"]
    assert model["modelFormat"] in runtime["spec"]["supportedModelFormats"]
    assert model["protocolVersion"] in runtime["spec"]["protocolVersions"]
    (container,) = runtime["spec"]["containers"]
    assert container["name"] == "kserve-container"
    volumes = {volume["name"] for volume in runtime["spec"]["volumes"]}
    assert {mount["name"] for mount in container["volumeMounts"]} == volumes
    arguments, (port,) = container["args"], container["ports"]
    assert int(arguments[arguments.index("--port") + 1]) == port["containerPort"]
    assert runtime["spec"]["annotations"]["prometheus.kserve.io/port"] == str(port["containerPort"])
    for probe in ("readinessProbe", "livenessProbe"):
        assert container[probe]["httpGet"]["port"] == port["containerPort"]
