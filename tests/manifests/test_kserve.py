"""The InferenceService that the operator makes is one of KServe's API, and its pod one that Knative takes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from perennial_operator.core.manifests.inference_service import inference_manifest
from tests.builders import a_deployment, a_version, a_world, merged
from tests.core.manifests import manifests
from tests.kserve_api import definition, own_definition, schema_errors
from tests.kubectl import Kubectl, RefusedError
from tests.manifests.conftest import define
from tests.stage import ROOT

MADE = manifests()["inference"]
PREDICTOR: dict[str, Any] = MADE["spec"]["predictor"]
(CONTAINER,) = PREDICTOR["containers"]
ALLOWED_IN_A_POD = {"serviceAccountName", "containers", "volumes", "imagePullSecrets", "enableServiceLinks"}
"""Fields that Knative takes of anybody; automountServiceAccountToken too, as false (knative.dev/serving, fieldmask.go)."""
WITH_LEAVE = {
    "affinity",
    "topologySpreadConstraints",
    "nodeSelector",
    "runtimeClassName",
    "tolerations",
    "priorityClassName",
}
"""Fields that it takes where its administrator has set the feature flag."""
OF_KSERVE = {"labels", "annotations", "minReplicas", "canaryTrafficPercent"}
OPEN_PORTS = {"http1", "h2c", ""}
MISTAKES: dict[str, tuple[dict[str, Any], str]] = {
    "misspelt": (
        {"canaryTraficPercent": 20},
        "spec.predictor.canaryTraficPercent is not a field of V1beta1PredictorSpec",
    ),
    "another type": ({"minReplicas": "two"}, "spec.predictor.minReplicas is 'two', not of type int"),
    "deep inside": ({"containers": [{"ports": [{"container": 1}]}]}, "containers[0].ports[0].container is not a field"),
}


def test_every_field_is_of_the_kserve_api() -> None:
    assert list(schema_errors(MADE)) == []


@pytest.mark.parametrize(("change", "words"), MISTAKES.values(), ids=MISTAKES)
def test_a_field_unknown_to_kserve_is_reported(change: dict[str, Any], words: str) -> None:
    (complaint,) = schema_errors(merged(MADE, {"spec": {"predictor": change}}))
    assert words in complaint


@pytest.fixture(scope="module")
def knows_kserve(kubectl: Kubectl) -> Iterator[Kubectl]:
    """An API server with the CRD: KServe's own where $KSERVE_CRD names it."""
    define(kubectl, definition())
    yield kubectl
    kubectl.delete("CustomResourceDefinition", definition()["metadata"]["name"])


def test_an_api_server_keeps_every_field(knows_kserve: Kubectl) -> None:
    (taken,) = knows_kserve.apply(merged(MADE, {"metadata": {"ownerReferences": None}}))
    assert merged(taken["spec"], MADE["spec"]) == taken["spec"]


@pytest.mark.skipif(not own_definition(), reason="$KSERVE_CRD does not name KServe's own CRD")
def test_the_crd_of_kserve_refuses_unknown_fields(knows_kserve: Kubectl) -> None:
    bad = merged(MADE, {"metadata": {"ownerReferences": None}, "spec": {"predictor": {"canaryTraficPercent": 20}}})
    with pytest.raises(RefusedError, match="canaryTraficPercent"):
        knows_kserve.apply(bad)


def test_the_pod_has_only_fields_that_knative_takes() -> None:
    assert PREDICTOR.keys() <= ALLOWED_IN_A_POD | WITH_LEAVE | OF_KSERVE | {"automountServiceAccountToken"}
    assert PREDICTOR["automountServiceAccountToken"] is False
    assert CONTAINER["name"] == "kserve-container"
    (port,) = CONTAINER["ports"]
    assert port["name"] in OPEN_PORTS
    assert all(set(variable) == {"name", "value"} for variable in CONTAINER["env"])


def test_a_default_service_needs_no_knative_feature_flag() -> None:
    predictor = inference_manifest(a_world(), a_version(1), 100)["spec"]["predictor"]
    assert predictor.keys() <= ALLOWED_IN_A_POD | OF_KSERVE | {"automountServiceAccountToken"}


@pytest.mark.parametrize(("limit", "threads"), [("2", "2"), (3, "3"), ("500m", "1"), ("1500m", "2"), ("0.5", "1")])
def test_libraries_count_the_container_s_processors(limit: int | str, threads: str) -> None:
    spec = {"serving": {"pod": {"resources": {"limits": {"cpu": limit}}}}}
    predictor = inference_manifest(a_world(deployment=a_deployment(spec=spec)), a_version(1), 100)["spec"]["predictor"]
    environment = {each["name"]: each["value"] for each in predictor["containers"][0]["env"]}
    assert (environment["OMP_NUM_THREADS"], environment["OPENBLAS_NUM_THREADS"]) == (threads, threads)


def test_a_claim_is_only_read() -> None:
    spec = {"storage": {"uri": None, "persistentVolumeClaim": {"claimName": "models", "path": ""}}}
    predictor = inference_manifest(a_world(deployment=a_deployment(spec=spec)), a_version(1), 100)["spec"]["predictor"]
    claims = [volume["persistentVolumeClaim"] for volume in predictor["volumes"] if "persistentVolumeClaim" in volume]
    assert claims == [{"claimName": "models", "readOnly": True}]


def test_our_server_and_not_kserve_reads_the_artifact() -> None:
    """A STORAGE_URI would have KServe fetch it, with other credentials, and unverified."""
    (task,) = [variable["value"] for variable in CONTAINER["env"] if variable["name"] == "PERENNIAL_TASK"]
    assert f'"sha256":"{1:064x}"' in task
    assert "STORAGE_URI" not in {variable["name"] for variable in CONTAINER["env"]}
    assert "model" not in PREDICTOR


def test_the_sample_is_valid_for_kserve() -> None:
    sample = yaml.safe_load((ROOT / "manifests" / "samples" / "07-kserve.yaml").read_text())
    sample["spec"]["storage"]["uri"] = None  # instead of the usual one of tests
    deployment = a_deployment(sample["metadata"]["name"], spec=sample["spec"])
    made = inference_manifest(a_world(deployment=deployment), a_version(1), 100)
    assert made["metadata"]["name"] == "by-kserve"
    assert list(schema_errors(made)) == []


def test_another_share_is_the_same_revision() -> None:
    """KServe hands labels and annotations on to the revision, so that neither may differ."""
    world, version = a_world(), a_version(1)
    one, other = (inference_manifest(world, version, percent) for percent in (20, 50))
    assert one["metadata"] == other["metadata"]
    assert merged(one, {"spec": {"predictor": {"canaryTrafficPercent": 50}}}) == other
