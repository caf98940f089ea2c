"""Pods, alone and as templates: what the server fills in, what it refuses, how they end."""

from __future__ import annotations

from typing import Any

import pytest

from tests.cluster.calls import Calls, Folder, deployment
from tests.cluster.objects import Obj


@pytest.fixture
def pods(folder: Folder) -> str:
    return folder.path("pods")


def pod(**spec: Any) -> Obj:
    containers = [{"name": "main", "image": "web:1"}]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {"containers": containers, **spec}}


def container(**more: Any) -> Obj:
    return {"containers": [{"name": "c", "image": "i", **more}]}


def test_a_pod_waits_with_the_defaults_of_a_pod(api: Calls, pods: str) -> None:
    made = api.post(pods, pod(volumes=[{"name": "tmp"}, {"name": "key", "secret": {"secretName": "s"}}])).ok
    spec, container = made["spec"], made["spec"]["containers"][0]
    assert made["status"]["phase"] == "Pending" and made["metadata"]["generation"] == 1
    assert spec["restartPolicy"] == "Always" and spec["terminationGracePeriodSeconds"] == 30
    assert (
        container["terminationMessagePath"] == "/dev/termination-log"
        and container["terminationMessagePolicy"] == "File"
    )
    assert spec["volumes"] == [
        {"name": "tmp", "emptyDir": {}},
        {"name": "key", "secret": {"secretName": "s", "defaultMode": 420}},
    ]


@pytest.mark.parametrize(
    ("image", "policy"), [("a:1", "IfNotPresent"), ("a", "Always"), ("host:5000/a:latest", "Always")]
)
def test_an_image_is_pulled_always_only_without_a_version(api: Calls, pods: str, image: str, policy: str) -> None:
    made = api.post(pods, pod(containers=[{"name": "main", "image": image}])).ok
    assert made["spec"]["containers"][0]["imagePullPolicy"] == policy


def test_a_pod_is_bound_to_one_node_once(api: Calls, pods: str) -> None:
    api.post(pods, pod())
    binding = {
        "apiVersion": "v1",
        "kind": "Binding",
        "metadata": {"name": "p"},
        "target": {"kind": "Node", "name": "n1"},
    }
    assert api.post(f"{pods}/p/binding", binding).code == 201
    bound = api.get(f"{pods}/p").ok
    assert bound["spec"]["nodeName"] == "n1" and bound["metadata"]["generation"] == 1
    assert ("PodScheduled", "True") in [(one["type"], one["status"]) for one in bound["status"]["conditions"]]
    again = api.post(f"{pods}/p/binding", binding)
    assert again.code == 409 and 'pod p is already assigned to node "n1"' in again.message


@pytest.mark.parametrize(
    "change", [{"nodeName": "n1"}, {"containers": [{"name": "main", "image": "web:1", "args": ["x"]}]}]
)
def test_a_pods_spec_stays_as_it_is(api: Calls, pods: str, change: Obj) -> None:
    api.post(pods, pod())
    answer = api.merge(f"{pods}/p", {"spec": change})
    assert answer.code == 422 and "spec: Forbidden: pod updates may not change fields other than" in answer.message
    assert api.merge(f"{pods}/p", {"spec": {"containers": [{"name": "main", "image": "web:2"}]}}).code == 200


def test_a_running_pod_is_given_time_and_a_waiting_one_none(api: Calls, pods: str) -> None:
    api.post(pods, pod())
    binding = {
        "apiVersion": "v1",
        "kind": "Binding",
        "metadata": {"name": "p"},
        "target": {"kind": "Node", "name": "n1"},
    }
    api.post(f"{pods}/p/binding", binding)
    dying = api.delete(f"{pods}/p").ok
    assert dying["metadata"]["deletionGracePeriodSeconds"] == 30 and dying["metadata"]["deletionTimestamp"]
    assert api.delete(f"{pods}/p", {"gracePeriodSeconds": 5}).ok["metadata"]["deletionGracePeriodSeconds"] == 5
    assert api.delete(f"{pods}/p", {"gracePeriodSeconds": 0}).code == 200
    assert api.get(f"{pods}/p").code == 404
    api.post(pods, pod())
    api.delete(f"{pods}/p")
    assert api.get(f"{pods}/p").code == 404


def test_a_status_has_zeros_where_clients_expect_values(api: Calls, folder: Folder, pods: str) -> None:
    api.post(pods, pod())
    state = {"name": "main", "ready": True, "state": {"running": {"startedAt": "2026-01-01T00:00:00Z"}}}
    (container,) = api.merge(f"{pods}/p/status", {"status": {"containerStatuses": [state]}}).ok["status"][
        "containerStatuses"
    ]
    assert (container["restartCount"], container["imageID"]) == (0, "")
    replica_set = {**deployment(), "kind": "ReplicaSet"}
    assert api.post(f"/apis/apps/v1/namespaces/{folder.name}/replicasets", replica_set).ok["status"]["replicas"] == 0


def test_amounts_are_kept_as_text(api: Calls, pods: str) -> None:
    container = {"name": "main", "image": "web:1", "resources": {"limits": {"cpu": 1, "memory": "1Gi"}}}
    limits = api.post(pods, pod(containers=[container])).ok["spec"]["containers"][0]["resources"]["limits"]
    assert limits == {"cpu": "1", "memory": "1Gi"}


@pytest.mark.parametrize(
    ("change", "code", "message"),
    [
        ({"containers": []}, 422, "spec.template.spec.containers: Required value"),
        ({"containers": [{"name": "c"}]}, 422, "spec.template.spec.containers[0].image: Required value"),
        ({"containers": [{"name": "C_", "image": "i"}]}, 422, "spec.template.spec.containers[0].name: Invalid value: "),
        ({"containers": [{"name": "c", "image": "i"}] * 2}, 422, "spec.template.spec.containers[1]"),
        (container(ports=[{"containerPort": 70000}]), 422, "containerPort: Invalid value: "),
        (container(volumeMounts=[{"name": "z", "mountPath": "/z"}]), 422, "spec.template.spec.containers"),
        (container(resources={"limits": {"cpu": "1"}, "requests": {"cpu": "2"}}), 422, "requests: Invalid value: "),
        (container(env=[{"name": "A", "value": 1}]), 400, "cannot be handled as a Deployment"),
        ({"restartPolicy": "Never"}, 422, "spec.template.spec.restartPolicy: "),
        ({"typo": 1}, 400, 'strict decoding error: unknown field "spec.template.spec.typo"'),
    ],
)
def test_a_bad_pod_template_is_refused(api: Calls, folder: Folder, change: Obj, code: int, message: str) -> None:
    body = deployment()
    body["spec"]["template"]["spec"] |= change
    answer = api.post(folder.path("deployments"), body, fieldValidation="Strict")
    assert answer.code == code and message in answer.message
