"""What a tenant may ask for: each is refused by the API server, and by the operator where no schema stands before it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from perennial_operator.core.api.drift_report import DriftReport
from perennial_operator.core.api.model_deployment import ModelDeployment
from perennial_operator.core.api.model_version import ModelVersion
from perennial_operator.core.api.parsing import BadObjectError, parse
from perennial_operator.core.manifests.train_job import train_manifest
from tests.builders import NOON, SPEC, a_body, a_deployment, a_version, a_world, merged
from tests.kubectl import Kubectl, RefusedError
from tests.stage import ROOT
from tests.yaml_text import load

CRDS = [load(path.read_text()) for path in sorted((ROOT / "manifests" / "crds").glob("*.yaml"))]
CLAIM = {"uri": None, "persistentVolumeClaim": {"claimName": "rides"}}


def data(**training: Any) -> dict[str, Any]:
    return {"data": {"training": training}}


def claim(**changes: Any) -> dict[str, Any]:
    return data(**merged(CLAIM, {"persistentVolumeClaim": changes}))


def volume(**source: Any) -> dict[str, Any]:
    return {"training": {"pod": {"volumes": [{"name": "more", **source}]}}}


TOKEN = {"sources": [{"configMap": {"name": "c"}}, {"serviceAccountToken": {"path": "token"}}]}
ASKED = {
    "a path that climbs": (claim(path="../other/model.joblib"), "must not contain '..'"),
    "a path that climbs further down": (claim(path="a/../../other/*.csv"), "must not contain '..'"),
    "an absolute path": (claim(path="/etc/passwd.csv"), "give a path below the claim's root"),
    "a claim that is a path": (claim(claimName="../../etc"), "give an object's name"),
    "a claim of another namespace": (claim(claimName="victim/rides"), "give an object's name"),
    "a secret of another namespace": (data(secretRef={"name": "victim/keys"}), "give an object's name"),
    "a file address that climbs": (data(uri="file:///mnt/perennial/rides/../../etc/a.csv"), "must not contain '..'"),
    "a bucket address that climbs": ({"storage": {"uri": "s3://models/perennial/.."}}, "must not contain '..'"),
    "a chain of addresses": (data(uri="https://host/a.zip::file:///etc/passwd"), "must not contain '::'"),
    "a password in an address": (data(uri="https://ada:lovelace@host/a.csv"), "must not contain a password"),
    "a scheme that runs what it finds": (data(uri="reference://host/a.csv"), "beginning with s3://"),
    "an estimator that is a call": ({"model": {"estimator": "os.system"}}, "full name of a class"),
    "an estimator with arguments": ({"model": {"estimator": "sklearn.svm.SVC()"}}, "full name of a class"),
    "an estimator with a path": ({"model": {"estimator": "sklearn.svm/../os"}}, "full name of a class"),
    "a path of the node": (volume(hostPath={"path": "/"}), "hostPath is not allowed"),
    "a token of a service account": (volume(projected=TOKEN), "a service account token is not allowed"),
    "a version of another deployment": ({"pin": "victim-v1"}, None),
}


@pytest.mark.parametrize(("change", "words"), ASKED.values(), ids=ASKED)
def test_the_api_server_refuses(kubectl: Kubectl, change: Mapping[str, Any], words: str | None) -> None:
    body = {"apiVersion": "perennial.dev/v1alpha1", "kind": "ModelDeployment", "metadata": {"name": "bike"}}
    with pytest.raises(RefusedError) as refused:
        kubectl.apply({**body, "spec": merged(SPEC, change)})
    assert (words or "is not a version of this ModelDeployment") in str(refused.value)


BY_SCHEMA_ALONE = {
    "an estimator that is a call": "the trainer's allow-list stands behind it",
    "an estimator with arguments": "the trainer's allow-list stands behind it",
    "an estimator with a path": "the trainer's allow-list stands behind it",
    "a version of another deployment": "only versions of this one are looked at",
}


@pytest.mark.parametrize(("name"), [name for name in ASKED if name not in BY_SCHEMA_ALONE])
def test_the_operator_refuses_it_too(name: str) -> None:
    change, words = ASKED[name]
    with pytest.raises(BadObjectError) as refused:
        a_deployment(spec=change)
    assert words and words in str(refused.value)


def test_good_neighbours_of_what_is_refused_are_taken(kubectl: Kubectl) -> None:
    good = merged(
        SPEC,
        {
            **data(uri="abfs://rides@account.dfs.core.windows.net/2026/..2026/a?b.csv"),
            **volume(projected={"sources": [{"secret": {"name": "keys"}}]}),
        },
    )
    body = {"apiVersion": "perennial.dev/v1alpha1", "kind": "ModelDeployment", "metadata": {"name": "good"}}
    (taken,) = kubectl.apply({**body, "spec": good})
    assert parse(ModelDeployment, taken)


def fields(schema: Mapping[str, Any], path: str = "") -> Iterator[str]:
    for name, child in (schema.get("properties") or {}).items():
        yield f"{path}.{name}"
        yield from fields(child, f"{path}.{name}")
    for inner in ("items", "additionalProperties"):
        if isinstance(schema.get(inner), Mapping):
            yield from fields(schema[inner], path + "[]")


FORBIDDEN = ("namespace", "serviceAccount", "serviceAccountName", "hostNetwork", "hostPID", "hostIPC", "securityContext",
             "privileged", "automountServiceAccountToken", "nodeName", "schedulerName", "initContainers")  # fmt: skip


@pytest.mark.parametrize("definition", CRDS, ids=lambda d: d["spec"]["names"]["kind"])
def test_no_field_names_a_namespace_an_account_or_a_privilege(definition: Mapping[str, Any]) -> None:
    spec = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    paths = list(fields(spec))
    assert len(paths) > 8
    assert [path for path in paths if path.rsplit(".", 1)[1] in FORBIDDEN] == []


def test_unknown_fields_of_a_pod_section_reach_no_pod() -> None:
    pod = {"hostNetwork": True, "serviceAccountName": "admin", "securityContext": {"privileged": True}, "nodeName": "n"}
    world = a_world(deployment=a_deployment(), versions=(a_version(1, None, {"training": {"pod": pod}}),))
    spec = train_manifest(world, world.versions[0])["spec"]["template"]["spec"]
    assert not {"hostNetwork", "serviceAccountName", "nodeName"} & spec.keys()
    assert spec["automountServiceAccountToken"] is False
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["containers"][0]["securityContext"]["allowPrivilegeEscalation"] is False


@pytest.mark.parametrize("name", ["PERENNIAL_TASK", "PERENNIAL_RESULT"])
def test_the_task_is_the_operator_s_whatever_env_says(name: str) -> None:
    pod = {"env": [{"name": name, "value": "mine"}, {"name": "MORE", "value": "1"}]}
    world = a_world(deployment=a_deployment(), versions=(a_version(1, None, {"training": {"pod": pod}}),))
    env = train_manifest(world, world.versions[0])["spec"]["template"]["spec"]["containers"][0]["env"]
    (value,) = [each["value"] for each in env if each["name"] == name]
    assert value != "mine"
    assert {"name": "MORE", "value": "1"} in env


def test_labels_of_a_pod_section_cannot_change_the_owner() -> None:
    pod = {"labels": {"perennial.dev/model-deployment": "victim", "perennial.dev/role": "serving"}}
    world = a_world(deployment=a_deployment(), versions=(a_version(1, None, {"training": {"pod": pod}}),))
    labels = train_manifest(world, world.versions[0])["spec"]["template"]["metadata"]["labels"]
    assert (labels["perennial.dev/model-deployment"], labels["perennial.dev/role"]) == ("bike", "training")


SECRET = "lovelace"
ADDRESSES = [
    f"ftp://ada:{SECRET}@host/a.csv",
    f"https://ada:{SECRET}@host/a.csv",
    f"ftp://h and https://h/a?sig={SECRET}",
]


@pytest.mark.parametrize("uri", ADDRESSES)
def test_the_message_about_a_bad_address_holds_no_secret(uri: str) -> None:
    with pytest.raises(BadObjectError) as refused:
        a_deployment(spec=data(uri=uri))
    assert "spec.data.training.uri" in str(refused.value)
    assert SECRET not in str(refused.value)


@pytest.mark.parametrize(
    ("kind", "name"), [(DriftReport, "victim/bike"), (DriftReport, "../bike"), (ModelVersion, "a/b")]
)
def test_reports_and_versions_concern_their_own_namespace(kind: Any, name: str) -> None:
    spec = {"modelDeployment": name, "samples": 1, "number": 1}
    with pytest.raises(BadObjectError, match="modelDeployment"):
        parse(kind, a_body(kind.__name__, "x", spec, creationTimestamp=NOON.isoformat()))
