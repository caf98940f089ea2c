"""The built-in kinds: what the server fills in, what it refuses, and what only it does."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from tests.cluster.calls import Calls, Folder, config_map, deployment, job
from tests.cluster.objects import Obj


def service(**spec: Any) -> Obj:
    spec = {"selector": {"app": "web"}, "ports": [{"port": 80}], **spec}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": spec}


def test_a_deployment_has_one_replica_and_rolls_by_quarters(api: Calls, folder: Folder) -> None:
    spec = api.post(folder.path("deployments"), deployment()).ok["spec"]
    assert spec["replicas"] == 1 and spec["progressDeadlineSeconds"] == 600
    quarters = {"maxSurge": "25%", "maxUnavailable": "25%"}
    assert spec["strategy"] == {"type": "RollingUpdate", "rollingUpdate": quarters}


def test_a_deployments_annotations_count_as_its_spec(api: Calls, folder: Folder) -> None:
    api.post(folder.path("deployments"), deployment())
    result = api.merge(folder.path("deployments", "web"), {"metadata": {"annotations": {"a": "b"}}}).ok
    assert result["metadata"]["generation"] == 2


def test_a_job_selects_its_pods_by_its_own_identity(api: Calls, folder: Folder) -> None:
    made = api.post(folder.path("jobs"), job()).ok
    uid = made["metadata"]["uid"]
    assert made["spec"]["selector"] == {"matchLabels": {"batch.kubernetes.io/controller-uid": uid}}
    labels = made["spec"]["template"]["metadata"]["labels"]
    assert labels["batch.kubernetes.io/controller-uid"] == uid and labels["batch.kubernetes.io/job-name"] == "once"
    assert {key: made["spec"][key] for key in ("backoffLimit", "completions", "parallelism", "suspend")} == {
        "backoffLimit": 6,
        "completions": 1,
        "parallelism": 1,
        "suspend": False,
    }


def test_a_service_gets_an_address_and_keeps_it(api: Calls, folder: Folder) -> None:
    made = api.post(folder.path("services"), service()).ok["spec"]
    assert made["clusterIP"].startswith("10.96.") and made["clusterIPs"] == [made["clusterIP"]]
    assert made["type"] == "ClusterIP" and made["ports"] == [{"port": 80, "protocol": "TCP", "targetPort": 80}]
    assert api.put(folder.path("services", "web"), service()).ok["spec"]["clusterIP"] == made["clusterIP"]
    moved = api.merge(folder.path("services", "web"), {"spec": {"clusterIP": "10.96.0.9", "clusterIPs": ["10.96.0.9"]}})
    assert moved.code == 422


def test_a_secrets_text_is_stored_encoded(api: Calls, folder: Folder) -> None:
    body = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "stringData": {"key": "grün"}}
    made = api.post(folder.path("secrets"), body).ok
    assert made["type"] == "Opaque" and "stringData" not in made
    assert base64.b64decode(made["data"]["key"]).decode() == "grün"


def test_empty_lists_and_maps_are_not_stored(api: Calls, folder: Folder) -> None:
    made = api.post(folder.path("configmaps"), config_map("a", {}, labels={}, finalizers=[])).ok
    assert "data" not in made and not {"labels", "finalizers"} & made["metadata"].keys()


def without_selector() -> Obj:
    body = deployment()
    del body["spec"]["selector"]
    return body


@pytest.mark.parametrize(
    ("plural", "body", "message"),
    [
        ("deployments", without_selector(), 'Deployment.apps "web" is invalid: '),
        ("deployments", deployment(selector={"matchLabels": {"app": "x"}}), "`selector` does not match template"),
        ("deployments", deployment(replicas=-1), "spec.replicas: Invalid value: "),
        ("jobs", job(template=deployment()["spec"]["template"]), 'Required value: valid values: "OnFailure", "Never"'),
        ("jobs", job("x" * 64), "must be no more than 63"),
        ("jobs", job(backoffLimit=-1), "spec.backoffLimit: Invalid value: "),
        ("services", service(ports=[]), "spec.ports: Required value"),
        ("services", service(ports=[{"port": 0}]), "spec.ports[0].port: Invalid value: "),
    ],
)
def test_a_bad_object_is_refused(api: Calls, folder: Folder, plural: str, body: Obj, message: str) -> None:
    answer = api.post(folder.path(plural), body)
    assert answer.code == 422 and message in answer.message


@pytest.mark.parametrize(
    ("plural", "body", "change"),
    [
        ("deployments", deployment(), {"selector": {"matchLabels": {"app": "x"}}}),
        ("jobs", job(), {"template": {"spec": {"terminationGracePeriodSeconds": 5}}}),
        ("jobs", job(), {"completions": 3}),
    ],
)
def test_what_cannot_change_later_is_refused(api: Calls, folder: Folder, plural: str, body: Obj, change: Obj) -> None:
    api.post(folder.path(plural), body)
    answer = api.merge(folder.path(plural, body["metadata"]["name"]), {"spec": change})
    assert answer.code == 422 and "field is immutable" in answer.message


@pytest.mark.parametrize(
    "change", [{"parallelism": 0}, {"suspend": True}, {"backoffLimit": 2}, {"ttlSecondsAfterFinished": 9}]
)
def test_a_job_can_be_held_and_hurried(api: Calls, folder: Folder, change: Obj) -> None:
    api.post(folder.path("jobs"), job())
    assert api.merge(folder.path("jobs", "once"), {"spec": change}).code == 200


def test_an_immutable_map_stays(api: Calls, folder: Folder) -> None:
    api.post(folder.path("configmaps"), config_map("a", {"x": "1"}) | {"immutable": True})
    answer = api.merge(folder.path("configmaps", "a"), {"data": {"x": "2"}})
    assert answer.code == 422 and "data: Forbidden: field is immutable when `immutable` is set" in answer.message


def test_an_event_belongs_to_its_objects_namespace(api: Calls, folder: Folder) -> None:
    event = {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": "e"},
        "involvedObject": {"namespace": "elsewhere"},
    }
    answer = api.post(folder.path("events"), event)
    assert answer.code == 422 and "does not match event.namespace" in answer.message


def test_what_a_body_is_may_follow_from_its_address(api: Calls, folder: Folder) -> None:
    made = api.post(folder.path("configmaps"), {"metadata": {"name": "a"}, "data": {"x": "1"}}).ok
    assert (made["apiVersion"], made["kind"]) == ("v1", "ConfigMap")
