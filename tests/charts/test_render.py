"""What the chart makes of its values."""

from __future__ import annotations

from typing import Any

import kubernetes_validate
import pytest

from perennial_operator.election import lease_names
from perennial_operator.lease import NAME
from perennial_operator.settings import read_settings
from tests.charts.chart import CASES, MONITORING, NAMESPACE, PATH, Body, of_kind, rendered
from tests.manifests.pod_security import pod_of, violations
from tests.yaml_text import load

KEEP = {"helm.sh/resource-policy": "keep", "argocd.argoproj.io/sync-options": "Prune=false"}
CLUSTER_WIDE = {"ClusterRole", "ClusterRoleBinding"}
WITH_KINDS = {"CustomResourceDefinition", "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"}
SUITED: Any = pytest.mark.parametrize("values", CASES.values(), ids=CASES)


def environment(values: Body) -> dict[str, str]:
    """The operator's environment, fields of its pod left as their path."""
    deployment = of_kind("Deployment", values)[0]
    variables = deployment["spec"]["template"]["spec"]["containers"][0]["env"]
    return {v["name"]: v.get("value") or v["valueFrom"]["fieldRef"]["fieldPath"] for v in variables}


@SUITED
def test_every_object_is_one_that_kubernetes_takes(values: Body) -> None:
    for document in rendered(values):
        if document["apiVersion"] != MONITORING:
            kubernetes_validate.validate(document, "1.36", strict=True)


@SUITED
def test_every_pod_satisfies_the_restricted_profile(values: Body) -> None:
    made = [document for document in rendered(values) if pod_of(document)]
    assert {document["kind"] for document in made} == {"Deployment", "Pod"}
    assert [violations(document) for document in made] == [[], []]


@SUITED
def test_no_two_objects_have_the_same_name(values: Body) -> None:
    names = [(d["kind"], d["metadata"].get("namespace"), d["metadata"]["name"]) for d in rendered(values)]
    assert len(names) == len(set(names))


@SUITED
def test_every_object_says_where_it_is_and_whose(values: Body) -> None:
    for document in rendered(values):
        metadata = document["metadata"]
        assert ("namespace" in metadata) == (document["kind"] not in CLUSTER_WIDE | WITH_KINDS)
        assert metadata["labels"]["app.kubernetes.io/instance"] == "perennial"
        assert metadata["labels"]["app.kubernetes.io/part-of"] == "perennial"


@pytest.mark.parametrize("release", ["perennial", "prod", "x" * 53])
def test_names_stay_within_what_a_label_holds(release: str) -> None:
    for document in rendered(CASES["everything on"], release):
        assert len(document["metadata"]["name"]) <= 63 or document["kind"] == "CustomResourceDefinition"


@SUITED
def test_what_selects_pods_selects_the_operator_s_and_no_others(values: Body) -> None:
    documents = rendered(values)
    template = of_kind("Deployment", values)[0]["spec"]["template"]["metadata"]["labels"]
    test = of_kind("Pod", values)[0]["metadata"]["labels"]
    for document in documents:
        spec = document.get("spec") or {}
        selector = spec.get("podSelector") or spec.get("selector")
        if document["kind"] in ("Deployment", "Service", "PodDisruptionBudget", "NetworkPolicy"):
            labels = selector.get("matchLabels", selector)
            assert labels.items() <= template.items()
            assert not labels.items() <= test.items()


@SUITED
def test_every_port_that_is_named_is_one_of_the_container_s(values: Body) -> None:
    container = of_kind("Deployment", values)[0]["spec"]["template"]["spec"]["containers"][0]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert ports == {"probes": 8080, "metrics": 9090}
    probes = {kind: container[f"{kind}Probe"]["httpGet"] for kind in ("liveness", "readiness")}
    assert probes == {
        "liveness": {"path": "/healthz", "port": "probes"},
        "readiness": {"path": "/readyz", "port": "probes"},
    }
    assert of_kind("Service", values)[0]["spec"]["ports"] == [
        {"name": "metrics", "port": 9090, "targetPort": "metrics"}
    ]
    assert environment(values)["PERENNIAL_PROBES_PORT"] == "8080"
    assert environment(values)["PERENNIAL_METRICS_PORT"] == "9090"


@SUITED
def test_the_operator_understands_its_environment(values: Body) -> None:
    variables = environment(values)
    settings = read_settings(variables)
    assert settings.namespaces == tuple(values.get("watchNamespaces", ()))
    assert (settings.lease_namespace, settings.identity) == ("metadata.namespace", "metadata.name")
    assert settings.policy.max_trainings == 10
    assert settings.shards == values.get("operator", {}).get("shards", 1)
    assert settings.log_format == "json"
    assert settings.prometheus == values.get("prometheus", "")
    assert list(settings.policy.allowed_in_pods) == values.get("allowedInPods", [])
    assert list(settings.policy.allowed_packages) == values.get("allowedPackages", [])
    assert settings.policy.adopt_joblib == values.get("adoptJoblib", False)
    assert settings.policy.service_account == values.get("trainer", {}).get("serviceAccountName", "")
    tag = values.get("trainer", {}).get("image", {}).get("tag", "0.1.0")
    assert settings.policy.trainer_image == f"perennial-trainer:{tag}"


def test_operator_may_keep_the_lease_of_each_shard() -> None:
    for values in (CASES["defaults"], CASES["everything on"]):
        (role,) = [each for each in of_kind("Role", values) if each["metadata"]["name"] == "perennial-lease"]
        (named,) = [rule["resourceNames"] for rule in role["rules"] if "resourceNames" in rule]
        assert set(named) == {NAME, *lease_names(read_settings(environment(values)).shards)}


def test_more_shards_than_trainings_are_refused() -> None:
    with pytest.raises(Exception, match="at least as many trainings as shards"):
        rendered({"operator": {"shards": 11}})


def test_more_environment_reaches_the_operator() -> None:
    assert read_settings(environment(CASES["everything on"])).workers == 8


def test_namespaced_release_has_a_role_in_each_namespace_only() -> None:
    documents = rendered(CASES["namespaced"])
    wide = [document["metadata"]["name"] for document in documents if document["kind"] in CLUSTER_WIDE]
    assert wide == ["perennial-approve"]  # which comes with the kinds, and is bound to nobody
    without = rendered(CASES["namespaced"] | {"crds": {"install": False}})
    assert not (CLUSTER_WIDE | WITH_KINDS) & {document["kind"] for document in without}
    roles = {(d["metadata"]["namespace"], d["metadata"]["name"]) for d in documents if d["kind"] == "Role"}
    assert roles == {(NAMESPACE, "perennial-lease"), ("team-a", "perennial"), ("team-b", "perennial")}


def test_release_of_a_namespace_admin_binds_an_existing_role() -> None:
    by_admin = {"rbac": {"existingClusterRole": "perennial-namespace-operator"}, "crds": {"install": False}}
    documents = rendered(CASES["namespaced"] | by_admin)
    assert [d["metadata"]["name"] for d in documents if d["kind"] == "Role"] == ["perennial-lease"]
    bindings = {d["metadata"]["namespace"]: d["roleRef"] for d in documents if d["kind"] == "RoleBinding"}
    for namespace in ("team-a", "team-b"):
        assert (bindings[namespace]["kind"], bindings[namespace]["name"]) == (
            "ClusterRole",
            "perennial-namespace-operator",
        )


@pytest.mark.parametrize("case", ["defaults", "namespaced"])
def test_every_binding_gives_the_operator_an_existing_role(case: str) -> None:
    documents = rendered(CASES[case])
    account = of_kind("ServiceAccount", CASES[case])[0]["metadata"]["name"]
    for document in documents:
        if document["kind"].endswith("RoleBinding"):
            assert document["subjects"] == [{"kind": "ServiceAccount", "name": account, "namespace": NAMESPACE}]
            kind, namespace = document["roleRef"]["kind"], document["metadata"].get("namespace")
            roles = [d["metadata"] for d in documents if d["kind"] == kind]
            assert document["roleRef"]["name"] in [r["name"] for r in roles if r.get("namespace") == namespace]
    specs = [(pod_of(document) or {}).get("spec") for document in documents]
    assert {spec["serviceAccountName"] for spec in specs if spec} == {account}


def test_the_definitions_are_rendered_whole_and_are_kept() -> None:
    copies = [load(file.read_text()) for file in sorted((PATH / "files" / "crds").glob("*.yaml"))]
    rendered = of_kind("CustomResourceDefinition")
    assert [body["spec"] for body in rendered] == [copy["spec"] for copy in copies]
    assert [body["metadata"]["annotations"] for body in rendered] == [KEEP] * 3


def test_optional_crds_are_needed_only_on_request() -> None:
    assert MONITORING not in {document["apiVersion"] for document in rendered()}


def test_network_policy_allows_monitoring_and_the_api_server() -> None:
    values = CASES["everything on"]
    policy = of_kind("NetworkPolicy", values)[0]["spec"]
    assert policy["ingress"][0] == {
        "ports": [{"port": "metrics", "protocol": "TCP"}],
        "from": values["networkPolicy"]["metricsFrom"],
    }
    assert policy["egress"][-2]["to"][0]["podSelector"] == {"matchLabels": {"perennial.dev/role": "serving"}}
    assert policy["egress"][-1] == values["networkPolicy"]["egress"][0]
    out = {(port["port"], port["protocol"]) for rule in policy["egress"][:-2] for port in rule["ports"]}
    assert out == {(53, "UDP"), (53, "TCP"), (443, "TCP"), (6443, "TCP")}
