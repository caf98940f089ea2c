"""The Jobs, Deployments and Services that the operator creates."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import yaml

from perennial_operator.core import names
from perennial_operator.core.api.parsing import BadObjectError
from perennial_operator.core.manifests import inference_service, serving
from perennial_operator.core.manifests.check_job import check_manifest
from perennial_operator.core.manifests.ledger_jobs import record_manifest, recover_manifest
from perennial_operator.core.manifests.serving import deployment_manifest, differs
from perennial_operator.core.manifests.serving_defaults import FIRST
from perennial_operator.core.manifests.train_job import train_manifest
from perennial_operator.core.rules.trainings.recipes import version_recipe
from perennial_operator.core.world import Policy, RoutingObject, Serving
from tests.builders import a_deployment, a_version, a_world, merged, task_of
from tests.core.manifests import CAPTURE, GOLDEN, a_capturing_world, a_full_world, as_yaml, manifests

MANIFESTS = manifests()
WITH_PODS = [name for name, manifest in MANIFESTS.items() if "template" in manifest["spec"]]


def pod_of(manifest: dict[str, Any]) -> dict[str, Any]:
    pod: dict[str, Any] = manifest["spec"]["template"]["spec"]
    return pod


def environment(manifest: dict[str, Any]) -> dict[str, Any]:
    return {variable["name"]: variable.get("value") for variable in pod_of(manifest)["containers"][0]["env"]}


def captured(spec: dict[str, Any], version: Any = None) -> dict[str, Any]:
    """The pod that serves version 1."""
    version = version or a_version(1)
    return pod_of(deployment_manifest(a_world(deployment=a_deployment(spec=spec), versions=(version,)), version, 1))


def test_capture_writes_to_the_claim_of_the_storage() -> None:
    claim = {"uri": None, "persistentVolumeClaim": {"claimName": "models"}}
    spec: dict[str, Any] = {"serving": {"capture": CAPTURE}, "storage": claim}
    [mount] = [each for each in captured(spec)["containers"][0]["volumeMounts"] if each["name"] == "claim-0"]
    assert "readOnly" not in mount
    del spec["serving"]
    [mount] = [each for each in captured(spec)["containers"][0]["volumeMounts"] if each["name"] == "claim-0"]
    assert mount["readOnly"]


@pytest.mark.parametrize(("contract", "captures"), [(None, False), (4, False), (5, True)])
def test_image_of_an_older_contract_is_not_asked_to_capture(contract: int | None, captures: bool) -> None:
    version = a_version(1, status={"image": "trainer:old", "contract": contract})
    [container] = captured({"serving": {"capture": CAPTURE}}, version)["containers"]
    task = next(each["value"] for each in container["env"] if each["name"] == "PERENNIAL_TASK")
    assert ("capture" in task, "envFrom" in container) == (captures, captures)


@pytest.mark.parametrize(("workers", "values"), [(1, ["7"]), (3, ["3"]), ("auto", ["auto"])])
def test_a_serving_pod_knows_its_processes(workers: int | str, values: list[str]) -> None:
    own = {"env": [{"name": "PERENNIAL_SERVING_WORKERS", "value": "7"}]}
    [container] = captured({"serving": {"workers": workers, "pod": own}})["containers"]
    assert [each["value"] for each in container["env"] if each["name"] == "PERENNIAL_SERVING_WORKERS"] == values


@pytest.mark.parametrize("workers", [0, 65, "all", "3"])
def test_an_unknown_number_of_processes_is_refused(workers: int | str) -> None:
    with pytest.raises(BadObjectError, match=r"serving\.workers.*: give auto, or a number from 1 to 64"):
        a_deployment(spec={"serving": {"workers": workers}})


def test_copies_of_requests_have_a_port_of_their_own() -> None:
    world = a_capturing_world()
    candidate, live = (serving.service_manifest(world, name, world.versions[0]) for name in ("bike-candidate", "bike"))
    assert [(each["name"], each["port"], each["targetPort"]) for each in candidate["spec"]["ports"]] == [
        ("http", 8080, "http"),
        ("shadow", 8081, "shadow"),
    ]
    assert [each["port"] for each in live["spec"]["ports"]] == [8080]


@pytest.mark.parametrize("name", MANIFESTS)
def test_manifest_equals_its_golden_file(name: str) -> None:
    """After an intended change, run `python -m tests.core.manifests` and review the difference."""
    assert as_yaml(MANIFESTS[name]) == (GOLDEN / f"{name}.yaml").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", WITH_PODS)
def test_pod_keeps_the_restricted_security_standard(name: str) -> None:
    """https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted"""
    pod = pod_of(MANIFESTS[name])
    assert not {"hostNetwork", "hostPID", "hostIPC", "initContainers", "ephemeralContainers"} & pod.keys()
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] > 0
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert all({"emptyDir", "persistentVolumeClaim", "configMap"} & volume.keys() for volume in pod["volumes"])
    (container,) = pod["containers"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def test_pods_that_mount_a_claim_share_a_node_if_asked_for() -> None:
    claim = {"persistentVolumeClaim": {"claimName": "models"}}
    spec = {"storage": {"uri": None, "sameNode": True, **claim}}
    world, version = a_world(deployment=a_deployment(spec=spec)), a_version(1)
    for manifest in (deployment_manifest(world, version, 2), train_manifest(world, version)):
        template = manifest["spec"]["template"]
        (term,) = template["spec"]["affinity"]["podAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
        assert term["topologyKey"] == "kubernetes.io/hostname"
        assert term["labelSelector"]["matchLabels"].items() <= template["metadata"]["labels"].items()
        assert list(term["labelSelector"]["matchLabels"]) == [names.same_node("models")]
    other = a_world(deployment=a_deployment(spec=merged(spec, {"storage": {"sameNode": False}})))
    without = deployment_manifest(other, version, 2)
    assert "affinity" not in without["spec"]["template"]["spec"]


@pytest.mark.parametrize("name", WITH_PODS)
def test_pod_has_no_cluster_token_and_secrets_only_by_name(name: str) -> None:
    pod = pod_of(MANIFESTS[name])
    assert pod["automountServiceAccountToken"] is False
    assert pod["enableServiceLinks"] is False
    secrets = [source["secretRef"]["name"] for source in pod["containers"][0].get("envFrom", [])]
    assert ("model-keys" in secrets) is (name != "workers"), "a worker reads and writes no storage"
    assert "keys" not in environment(MANIFESTS[name])["PERENNIAL_TASK"]


@pytest.mark.parametrize("kind", ["delta", "iceberg"])
def test_table_and_its_secret_are_those_of_the_task(kind: str) -> None:
    table = {kind: {"uri": "s3://lake/rides"}, "uri": None, "secretRef": {"name": "lake-reader"}}
    world, version = (
        a_world(deployment=a_deployment(spec={"data": {"training": table}})),
        a_version(1, spec={"data": {"training": table}}),
    )
    manifest = train_manifest(world, version)
    assert f'"{kind}":{{"uri":"s3://lake/rides"}}' in environment(manifest)["PERENNIAL_TASK"]
    secrets = [source["secretRef"]["name"] for source in pod_of(manifest)["containers"][0]["envFrom"]]
    assert "lake-reader" in secrets


def test_secret_of_a_query_is_only_in_the_environment() -> None:
    sql = {"sql": {"query": "SELECT * FROM rides", "secretRef": {"name": "rides-reader"}}}
    spec = {
        "data": {"training": {"uri": None, "secretRef": None, **sql}},
        "drift": {"check": {"schedule": "0 * * * *", "data": {"uri": None, **sql}}},
    }
    world, version = (
        a_world(deployment=a_deployment(spec=spec)),
        a_version(1, spec={"data": {"training": {"uri": None, "secretRef": None, **sql}}}),
    )
    for manifest in (train_manifest(world, version), check_manifest(world, version, world.now)):
        task = environment(manifest)["PERENNIAL_TASK"]
        assert '"sql":{"query":"SELECT * FROM rides"}' in task and "rides-reader" not in task
        secrets = [source["secretRef"]["name"] for source in pod_of(manifest)["containers"][0]["envFrom"]]
        assert "rides-reader" in secrets
    other = a_version(
        1, spec={"data": {"training": {"uri": None, "sql": {**sql["sql"], "secretRef": {"name": "other"}}}}}
    )
    assert version_recipe(other) == version_recipe(version)
    changed = a_version(1, spec={"data": {"training": {"uri": None, "sql": {**sql["sql"], "query": "SELECT 1"}}}})
    assert version_recipe(changed) != version_recipe(version)


@pytest.mark.parametrize(
    ("name", "claims"),
    [("train", {"rides": True}), ("validate", {}), ("check", {}), ("record", {}), ("recover", {}), ("serve", {})],
)
def test_pod_mounts_only_the_claims_it_needs(name: str, claims: dict[str, bool]) -> None:
    mounts = pod_of(MANIFESTS[name])["containers"][0]["volumeMounts"]
    mounted = {
        mount["mountPath"]: mount.get("readOnly", False) for mount in mounts if "perennial" in mount["mountPath"]
    }
    assert mounted == {f"/mnt/perennial/{claim}": read_only for claim, read_only in claims.items()}


@pytest.mark.parametrize(
    ("make", "read_only"),
    [
        (train_manifest, False),
        (record_manifest, False),
        (lambda w, v: recover_manifest(w, ""), False),  # it writes that this cluster has the folder now
        (lambda w, v: recover_manifest(replace(w, versions=(v,)), "bike-v9"), True),
        (lambda w, v: deployment_manifest(w, v, 1), True),
    ],
)
def test_storage_claim_is_writable_only_for_jobs_that_write(make: Any, read_only: bool) -> None:
    spec = {"storage": {"uri": None, "persistentVolumeClaim": {"claimName": "models", "path": "perennial"}}}
    manifest = make(a_world(deployment=a_deployment(spec=spec)), a_version(1))
    (mount,) = [
        m for m in pod_of(manifest)["containers"][0]["volumeMounts"] if m["mountPath"] == "/mnt/perennial/models"
    ]
    assert mount.get("readOnly", False) is read_only
    if make is train_manifest:
        assert task_of(manifest)["storage"] == "file:///mnt/perennial/models/perennial/default/bike/bike-v1"


def test_pod_of_the_spec_overrides_defaults_but_not_the_task() -> None:
    pod = {
        "env": [{"name": "HOME", "value": "/scratch"}, {"name": "PERENNIAL_TASK", "value": "{}"}],
        "volumes": [{"name": "tmp", "emptyDir": {"medium": "Memory"}}],
        "volumeMounts": [{"name": "tmp", "mountPath": "/tmp", "subPath": "x"}],
    }
    manifest = train_manifest(a_world(), a_version(1, "Training", {"training": {"pod": pod}}))
    assert environment(manifest)["HOME"] == "/scratch"
    assert task_of(manifest)["task"] == "train"
    assert pod_of(manifest)["volumes"] == pod["volumes"]
    assert pod_of(manifest)["containers"][0]["volumeMounts"] == pod["volumeMounts"]
    names_given = [variable["name"] for variable in pod_of(manifest)["containers"][0]["env"]]
    assert len(names_given) == len(set(names_given))


def test_selector_labels_cannot_be_overridden() -> None:
    labels = MANIFESTS["serve"]["spec"]["template"]["metadata"]["labels"]
    assert labels["team"] == "a"
    assert labels[names.ROLE] == "serving"
    assert MANIFESTS["serve"]["spec"]["selector"]["matchLabels"].items() <= labels.items()
    assert MANIFESTS["service"]["spec"]["selector"].items() <= labels.items()


@pytest.mark.parametrize(
    ("pod", "trained_with", "image"),
    [({}, "trainer:1", "trainer:1"), ({"image": "mine:3"}, "trainer:1", "mine:3"), ({}, None, "trainer:2")],
)
def test_version_is_served_by_the_image_that_trained_it(
    pod: dict[str, str], trained_with: str | None, image: str
) -> None:
    """So that an upgrade of the operator restarts nothing, and no other scikit-learn is asked to load the artifact."""
    world = a_world(deployment=a_deployment(spec={"serving": {"pod": pod}}), policy=Policy(trainer_image="trainer:2"))
    manifest = deployment_manifest(world, a_version(1, status={"image": trained_with}), 2)
    assert pod_of(manifest)["containers"][0]["image"] == image


def test_job_has_no_ttl_and_restarts_no_container() -> None:
    for name in ("train", "validate", "check", "record", "recover", "upkeep"):
        assert "ttlSecondsAfterFinished" not in MANIFESTS[name]["spec"]
        assert pod_of(MANIFESTS[name])["restartPolicy"] == "Never"


def test_job_names_its_queue_and_is_not_suspended() -> None:
    assert MANIFESTS["train"]["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "team-a"
    assert "suspend" not in MANIFESTS["train"]["spec"]


@pytest.mark.parametrize("name", ["record", "recover"])
def test_ledger_jobs_request_little_and_skip_the_queue(name: str) -> None:
    """In the operator's own image: another trainer need not know the ledger."""
    assert "kueue.x-k8s.io/queue-name" not in MANIFESTS[name]["metadata"]["labels"]
    (container,) = pod_of(MANIFESTS[name])["containers"]
    assert container["image"] == "trainer:2"
    assert container["resources"]["requests"] == {"cpu": "100m", "memory": "128Mi"}
    assert pod_of(MANIFESTS[name])["nodeSelector"] == {"disk": "fast"}
    assert [volume["name"] for volume in pod_of(MANIFESTS[name])["volumes"]] == ["tmp"]


def test_ledger_jobs_mount_the_volumes_of_file_storage() -> None:
    pod = {"volumes": [{"name": "nfs"}], "volumeMounts": [{"name": "nfs", "mountPath": "/models"}]}
    spec = {"storage": {"uri": "file:///models"}, "training": {"pod": pod}}
    manifest = recover_manifest(a_world(deployment=a_deployment(spec=spec)), "")
    assert [volume["name"] for volume in pod_of(manifest)["volumes"]] == ["tmp", "nfs"]


def test_owners_of_jobs_and_serving_objects() -> None:
    owners = {name: manifest["metadata"]["ownerReferences"][0]["name"] for name, manifest in MANIFESTS.items()}
    assert owners == {
        "train": "bike-v2",
        "workers": "bike-v2",
        "validate": "bike-v2",
        "check": "bike",
        "version-check": "bike",
        "record": "bike-v1",
        "recover": "bike",
        "upkeep": "bike",
        "serve": "bike",
        "service": "bike",
        "serve-and-capture": "bike",
        "candidate-service": "bike",
        "inference": "bike",
    }


@pytest.mark.parametrize(
    "admitted",
    [
        {},
        {"metadata": {"labels": {"by": "somebody"}}},
        {"spec": {"template": {"spec": {"schedulerName": "default-scheduler"}}}},
        {"spec": {"progressDeadlineSeconds": 600}},
    ],
    ids=["nothing", "labels", "defaults in the pod", "defaults"],
)
def test_fields_added_by_kubernetes_are_ignored(admitted: dict[str, Any]) -> None:
    assert not differs(MANIFESTS["serve"], merged(MANIFESTS["serve"], admitted))


def test_sidecar_added_by_a_webhook_is_ignored() -> None:
    observed = merged(MANIFESTS["serve"], {})
    pod_of(observed)["containers"].insert(0, {"name": "istio-proxy", "image": "istio"})
    pod_of(observed)["volumes"].append({"name": "istio", "emptyDir": {}})
    assert not differs(MANIFESTS["serve"], observed)


@pytest.mark.parametrize(
    "change",
    [
        {"spec": {"replicas": 9}},
        {"spec": {"template": {"spec": {"automountServiceAccountToken": True}}}},
        {"spec": {"template": {"spec": {"containers": [{"name": "trainer", "image": "another"}]}}}},
        {"metadata": {"annotations": {names.APPLIED: "something else"}}},
    ],
    ids=["replicas", "token", "image", "digest"],
)
def test_changed_object_is_applied_again(change: dict[str, Any]) -> None:
    assert differs(MANIFESTS["serve"], merged(MANIFESTS["serve"], change))


def test_missing_object_is_applied() -> None:
    assert differs(MANIFESTS["service"], None)


def test_service_targets_the_port_by_name() -> None:
    service = MANIFESTS["service"]
    assert service["spec"]["ports"][0]["targetPort"] == "http"
    assert pod_of(MANIFESTS["serve"])["containers"][0]["ports"][0]["name"] == "http"


def test_manifests_are_plain_data() -> None:
    for manifest in MANIFESTS.values():
        assert yaml.safe_load(as_yaml(manifest)) == manifest


def served_by(manifest: dict[str, Any]) -> Any:
    """A world in which this Deployment serves the first version."""
    return {"bike-v1": Serving("bike-v1", manifest, desired=2, ready=2, answering=2, total=2)}


def first_release(spec: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
    """A world, and the Deployment of its live version as 0.1 made it."""
    world = a_world(deployment=a_deployment(spec=spec or {}))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(serving, "CURRENT", FIRST)
        return world, deployment_manifest(world, a_version(1), 2)


def probes(manifest: dict[str, Any]) -> tuple[Any, Any]:
    (container,) = pod_of(manifest)["containers"]
    return container["livenessProbe"], container["readinessProbe"]


def test_busy_pod_is_not_killed_for_a_late_probe() -> None:
    liveness, readiness = probes(MANIFESTS["serve"])
    assert (liveness["timeoutSeconds"], liveness["failureThreshold"]) == (10, 6)
    assert (readiness["timeoutSeconds"], readiness["failureThreshold"]) == (5, 2)


def test_probes_are_as_the_spec_says() -> None:
    spec = {"serving": {"livenessProbe": {"failureThreshold": 9}, "readinessProbe": {"timeoutSeconds": 30}}}
    liveness, readiness = probes(deployment_manifest(a_world(deployment=a_deployment(spec=spec)), a_version(1), 1))
    assert (liveness["timeoutSeconds"], liveness["failureThreshold"]) == (10, 9)
    assert (readiness["timeoutSeconds"], readiness["failureThreshold"]) == (30, 2)


@pytest.mark.parametrize(
    ("resources", "expected"),
    [
        (None, {"requests": {"cpu": "100m", "memory": "256Mi"}}),
        ({}, {}),
        ({"limits": {"cpu": 1}}, {"limits": {"cpu": 1}}),
    ],
)
def test_pods_without_resources_request_some(resources: Any, expected: dict[str, Any]) -> None:
    world = a_world(deployment=a_deployment(spec={"serving": {"pod": {"resources": resources}}}))
    (container,) = pod_of(deployment_manifest(world, a_version(1), 1))["containers"]
    assert container["resources"] == expected


def test_pods_of_a_version_prefer_different_nodes() -> None:
    world = a_world()
    (constraint,) = pod_of(deployment_manifest(world, a_version(1), 2))["topologySpreadConstraints"]
    assert constraint["whenUnsatisfiable"] == "ScheduleAnyway"
    assert constraint["labelSelector"]["matchLabels"]["perennial.dev/model-version"] == "bike-v1"
    own = a_deployment(spec={"serving": {"pod": {"topologySpreadConstraints": []}}})
    assert (
        pod_of(deployment_manifest(replace(world, deployment=own), a_version(1), 2))["topologySpreadConstraints"] == []
    )


def test_upgrade_keeps_the_pods_of_an_older_release() -> None:
    world, old = first_release()
    assert "timeoutSeconds" not in probes(old)[0]
    upgraded = replace(world, serving=served_by(old))
    assert deployment_manifest(upgraded, a_version(1), 2) == old
    scaled = deployment_manifest(upgraded, a_version(1), 5)
    assert scaled["spec"]["template"] == old["spec"]["template"]
    assert deployment_manifest(replace(world, serving=served_by(scaled)), a_version(1), 5) == scaled


def test_changed_spec_gets_the_defaults_of_this_release() -> None:
    world, old = first_release()
    changed = a_deployment(spec={"serving": {"livenessProbe": {"timeoutSeconds": 10}}})
    manifest = deployment_manifest(replace(world, deployment=changed, serving=served_by(old)), a_version(1), 2)
    assert probes(manifest)[0]["failureThreshold"] == 6
    kept = deployment_manifest(replace(world, deployment=changed, serving=served_by(manifest)), a_version(1), 2)
    assert kept == manifest


def test_pods_of_the_first_release_are_recognised() -> None:
    world = a_full_world()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(serving, "CURRENT", FIRST)
        manifest = deployment_manifest(world, world.versions[0], 2)
    assert manifest["metadata"]["annotations"][names.APPLIED] == "ab87f48ec66d7aca"  # what 0.1 made of this world


def test_upgrade_keeps_the_revision_of_an_older_release() -> None:
    world, version = a_world(), a_version(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(inference_service, "CURRENT", FIRST)
        old = inference_service.inference_manifest(world, version, 100)
    upgraded = replace(world, routing=RoutingObject(old))
    assert inference_service.inference_manifest(upgraded, version, 100) == old
    assert inference_service.inference_manifest(upgraded, a_version(2), 20)["spec"] != old["spec"]
    (container,) = inference_service.inference_manifest(upgraded, a_version(2), 20)["spec"]["predictor"]["containers"]
    assert container["livenessProbe"]["timeoutSeconds"] == 10
