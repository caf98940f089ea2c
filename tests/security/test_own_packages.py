"""Packages of estimators that are not the trainer's own: only the operator's administrator allows them."""

from __future__ import annotations

from typing import Any

import pytest

from perennial_operator.cluster.cache import Cache
from perennial_operator.cluster.cache_entry import Key
from perennial_operator.core.api.own_packages import PackageError, packages_of
from perennial_operator.core.manifests.serving import deployment_manifest
from perennial_operator.core.world import Policy
from perennial_operator.reconcile.world_builder import build_world
from perennial_operator.settings import BadSettingError, read_settings
from tests.builders import NOON, SPEC, a_body, a_deployment, a_version, a_world, merged

VARIABLE = "PERENNIAL_ALLOWED_PACKAGES"
OWN = {"estimator": "acme-trees:gradient"}
INSIDE = {
    "estimator": "sklearn.ensemble.VotingRegressor",
    "parameters": {"estimators": [{"name": "own", "estimator": "acme-trees:gradient"}]},
}
TRANSFORMED = {
    "features": {"transformers": [{"transformer": "acme-trees:cycle", "columns": SPEC["model"]["features"]["numeric"]}]}
}
IMAGE = {"training": {"pod": {"image": "acme:1"}}}
DEEP: dict[str, Any] = {"estimator": "sklearn.dummy.DummyRegressor", "parameters": {}}
for _ in range(3000):
    DEEP = DEEP | {"parameters": {"constant": [DEEP["parameters"]]}}


def built(model: dict[str, Any], *allowed: str, version: str = "") -> None:
    """One pass reads a ModelDeployment, or a version in the given phase, with this model."""
    cache = Cache()
    cache.put(a_body("ModelDeployment", "bike", merged(SPEC, IMAGE | ({} if version else {"model": model}))))
    if version:
        stored = a_version(1, version, {"model": model})
        owner = [{"uid": "uid-bike", "kind": "ModelDeployment", "name": "bike", "controller": True}]
        spec, status = stored.spec.to_api(), stored.status.to_api()
        cache.put(a_body("ModelVersion", "bike-v1", spec, status, ownerReferences=owner))
    assert build_world(cache, Key("default", "bike"), NOON, Policy("trainer", allowed_packages=allowed))


@pytest.mark.parametrize("model", [OWN, INSIDE, TRANSFORMED], ids=["own", "inside", "transformed"])
def test_package_that_is_not_allowed_is_refused(model: dict[str, Any]) -> None:
    for version in ("", "Training"):
        with pytest.raises(
            PackageError, match=r"package acme-trees, which is not allowed; .* add acme-trees to allowed"
        ):
            built(model, "acme", "trees", version=version)
        built(model, "acme-trees", version=version)


def test_what_needs_no_package_is_not_asked() -> None:
    built(OWN, version="Live")  # it is stored, and its digest recorded
    assert not list(packages_of("sklearn", **DEEP, transformers=()))
    built({"framework": "custom", **OWN, **TRANSFORMED})


@pytest.mark.parametrize("model", [OWN, TRANSFORMED], ids=["own", "transformed"])
@pytest.mark.parametrize("allowed", [(), ("acme-trees", "other")])
def test_spec_cannot_extend_what_pods_may_import(allowed: tuple[str, ...], model: dict[str, Any]) -> None:
    pod = {"env": [{"name": VARIABLE, "value": "acme-trees evil"}]}
    deployment = a_deployment(spec={"serving": {"pod": pod}, "model": model})
    world = a_world(deployment=deployment, policy=Policy("trainer", allowed_packages=allowed))
    manifest = deployment_manifest(world, a_version(1, "Live", {"model": model}), 1)
    (container,) = manifest["spec"]["template"]["spec"]["containers"]
    given = [each["value"] for each in container["env"] if each["name"] == VARIABLE]
    assert given == [" ".join(set(allowed) & {"acme-trees"})]


def test_setting_takes_names_of_packages() -> None:
    assert read_settings({VARIABLE: "acme-trees, other"}).policy.allowed_packages == ("acme-trees", "other")
    for text in ("Acme", "acme_trees", "acme:trees", "*"):
        with pytest.raises(BadSettingError, match=VARIABLE):
            read_settings({VARIABLE: text})
