"""The built-in kinds: what the server fills in, what it refuses, how pods are bound and end."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from tests.cluster.objects import Obj
from tests.cluster.space import Calls, Space, config_map, deployment, job

WEB = {"name": "main", "image": "web:1"}
BINDING = {"metadata": {"name": "p"}, "target": {"kind": "Node", "name": "n1"}}


def service(**spec: Any) -> Obj:
    spec = {"selector": {"app": "web"}, "ports": [{"port": 80}], **spec}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": spec}


def pod(**spec: Any) -> Obj:
    return {"kind": "Pod", "metadata": {"name": "p"}, "spec": {"containers": [WEB], **spec}}


def test_a_deployment_gets_its_defaults(api: Calls, folder: Space) -> None:
    spec = folder.put(deployment())["spec"]
    assert spec["replicas"] == 1 and spec["progressDeadlineSeconds"] == 600
    quarters = {"maxSurge": "25%", "maxUnavailable": "25%"}
    assert spec["strategy"] == {"type": "RollingUpdate", "rollingUpdate": quarters}
    annotated = folder.patch("Deployment", "web", {"metadata": {"annotations": {"a": "b"}}})
    assert annotated["metadata"]["generation"] == 2
    assert folder.put({**deployment("x"), "kind": "ReplicaSet", "apiVersion": "apps/v1"})["status"]["replicas"] == 0


def test_a_job_selects_its_pods_by_its_uid(folder: Space) -> None:
    made = folder.put(job())
    uid, spec = made["metadata"]["uid"], made["spec"]
    assert spec["selector"] == {"matchLabels": {"batch.kubernetes.io/controller-uid": uid}}
    labels = spec["template"]["metadata"]["labels"]
    assert labels["batch.kubernetes.io/controller-uid"] == uid and labels["batch.kubernetes.io/job-name"] == "once"
    assert (spec["backoffLimit"], spec["completions"], spec["parallelism"], spec["suspend"]) == (6, 1, 1, False)
    assert folder.patch("Job", "once", {"spec": {"suspend": True}})["spec"]["suspend"]


def test_a_service_gets_an_address_and_keeps_it(api: Calls, folder: Space) -> None:
    made = folder.put(service())["spec"]
    assert made["clusterIP"].startswith("10.96.") and made["clusterIPs"] == [made["clusterIP"]]
    assert made["type"] == "ClusterIP" and made["ports"] == [{"port": 80, "protocol": "TCP", "targetPort": 80}]
    assert api.put(folder.path("services", "web"), service()).ok["spec"]["clusterIP"] == made["clusterIP"]


def test_a_secrets_text_is_stored_encoded(folder: Space) -> None:
    made = folder.put({"kind": "Secret", "metadata": {"name": "s"}, "stringData": {"key": "grün"}})
    assert made["type"] == "Opaque" and "stringData" not in made
    assert base64.b64decode(made["data"]["key"]).decode() == "grün"


def test_empty_fields_and_types_may_be_left_out(api: Calls, folder: Space, maps: str) -> None:
    made = folder.put(config_map("a", {}, labels={}, finalizers=[]))
    assert "data" not in made and not {"labels", "finalizers"} & made["metadata"].keys()
    assert api.post(maps, {"metadata": {"name": "b"}}).ok["kind"] == "ConfigMap"


def test_a_pod_gets_its_defaults(api: Calls, folder: Space) -> None:
    limits = {"cpu": 1, "memory": "1Gi"}
    containers = [WEB | {"resources": {"limits": limits}}, {"name": "new", "image": "host:5000/a:latest"}]
    volumes = [{"name": "tmp"}, {"name": "key", "secret": {"secretName": "s"}}]
    made = folder.put(pod(containers=containers, volumes=volumes))
    spec, (main, new) = made["spec"], made["spec"]["containers"]
    assert (made["status"]["phase"], made["metadata"]["generation"]) == ("Pending", 1)
    assert (spec["restartPolicy"], spec["terminationGracePeriodSeconds"]) == ("Always", 30)
    assert (main["terminationMessagePath"], main["terminationMessagePolicy"]) == ("/dev/termination-log", "File")
    assert (main["imagePullPolicy"], new["imagePullPolicy"]) == ("IfNotPresent", "Always")
    assert main["resources"]["limits"] == {"cpu": "1", "memory": "1Gi"}
    key = {"name": "key", "secret": {"secretName": "s", "defaultMode": 420}}
    assert spec["volumes"] == [{"name": "tmp", "emptyDir": {}}, key]
    running = {"name": "main", "ready": True, "state": {"running": {"startedAt": "2026-01-01T00:00:00Z"}}}
    status = api.merge(folder.path("pods", "p", "status"), {"status": {"containerStatuses": [running]}}).ok["status"]
    (container,) = status["containerStatuses"]
    assert (container["restartCount"], container["imageID"]) == (0, "")


def test_a_bound_pod_is_given_time_to_end(api: Calls, folder: Space) -> None:
    path = folder.path("pods", "p")
    folder.put(pod())
    assert api.delete(path).ok and api.get(path).code == 404
    folder.put(pod())
    assert api.post(f"{path}/binding", BINDING).code == 201
    bound = api.get(path).ok
    assert (bound["spec"]["nodeName"], bound["metadata"]["generation"]) == ("n1", 1)
    assert ("PodScheduled", "True") in [(one["type"], one["status"]) for one in bound["status"]["conditions"]]
    again = api.post(f"{path}/binding", BINDING)
    assert again.code == 409 and 'pod p is already assigned to node "n1"' in again.message
    dying = api.delete(path).ok["metadata"]
    assert dying["deletionGracePeriodSeconds"] == 30 and dying["deletionTimestamp"]
    assert api.delete(path, {"gracePeriodSeconds": 5}).ok["metadata"]["deletionGracePeriodSeconds"] == 5
    assert api.delete(path, {"gracePeriodSeconds": 0}).code == 200 and api.get(path).code == 404


def web(**container: Any) -> Obj:
    """A Deployment whose one container has these fields."""
    return deployment(pod={"containers": [{"name": "c", "image": "i", **container}]})


@pytest.mark.parametrize(
    ("body", "code", "message"),
    [
        (deployment(selector=None), 422, 'Deployment.apps "web" is invalid: '),
        (deployment(selector={"matchLabels": {"app": "x"}}), 422, "`selector` does not match template"),
        (deployment(replicas=-1), 422, "spec.replicas: Invalid value: "),
        (deployment(pod={"containers": []}), 422, "spec.template.spec.containers: Required value"),
        (deployment(pod={"containers": [WEB], "restartPolicy": "Never"}), 422, "spec.template.spec.restartPolicy: "),
        (deployment(pod={"containers": [WEB], "typo": 1}), 400, 'unknown field "spec.template.spec.typo"'),
        (deployment(pod={"containers": [WEB] * 2}), 422, "spec.template.spec.containers[1]"),
        (web(image=""), 422, "spec.template.spec.containers[0].image: Required value"),
        (web(name="C_"), 422, "spec.template.spec.containers[0].name: Invalid value: "),
        (web(ports=[{"containerPort": 70000}]), 422, "containerPort: Invalid value: "),
        (web(volumeMounts=[{"name": "z", "mountPath": "/z"}]), 422, "spec.template.spec.containers"),
        (web(resources={"limits": {"cpu": "1"}, "requests": {"cpu": "2"}}), 422, "requests: Invalid value: "),
        (web(env=[{"name": "A", "value": 1}]), 400, "cannot be handled as a Deployment"),
        (job(pod={"containers": [WEB]}), 422, 'Required value: valid values: "OnFailure", "Never"'),
        (job("x" * 64), 422, "must be no more than 63"),
        (job(backoffLimit=-1), 422, "spec.backoffLimit: Invalid value: "),
        (service(ports=[]), 422, "spec.ports: Required value"),
        (service(ports=[{"port": 0}]), 422, "spec.ports[0].port: Invalid value: "),
    ],
)
def test_a_bad_object_is_refused(api: Calls, folder: Space, body: Obj, code: int, message: str) -> None:
    answer = api.post(folder.path(body["kind"]), body, fieldValidation="Strict")
    assert answer.code == code and message in answer.message


@pytest.mark.parametrize(
    ("body", "change"),
    [
        (deployment(), {"spec": {"selector": {"matchLabels": {"app": "x"}}}}),
        (job(), {"spec": {"template": {"spec": {"terminationGracePeriodSeconds": 5}}}}),
        (job(), {"spec": {"completions": 3}}),
        (service(), {"spec": {"clusterIP": "10.96.0.9", "clusterIPs": ["10.96.0.9"]}}),
        (config_map("a", {"x": "1"}) | {"immutable": True}, {"data": {"x": "2"}}),
        (pod(), {"spec": {"containers": [WEB | {"args": ["x"]}]}}),
    ],
)
def test_immutable_fields_stay(api: Calls, folder: Space, body: Obj, change: Obj) -> None:
    folder.put(body)
    answer = api.merge(folder.path(body["kind"], body["metadata"]["name"]), change)
    assert answer.code == 422 and ("is immutable" in answer.message or "may not change" in answer.message)
