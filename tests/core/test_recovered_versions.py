"""The object that a version of the ledger becomes: what it takes from its page, and what from the spec of today."""

from __future__ import annotations

from typing import Any

import pytest

from perennial_operator.core import names
from perennial_operator.core.manifests.owner import owner_reference
from perennial_operator.core.rules.job_results import StoredVersion
from perennial_operator.core.stages.recovered_version import recovered_manifest
from tests.builders import SPEC, a_deployment, a_world, merged
from tests.contract.test_tasks_of_the_operator import STORED

MODEL = {**SPEC["model"], "estimator": "sklearn.linear_model.Ridge"}
DATA = {**SPEC["data"], "holdout": 0.3}
SEARCH = {"method": "random", "space": {"alpha": [0.1, 1.0]}}
ENGINE = {"dask": {"workers": 4}}


def manifest(spec: Any = (), **stored: Any) -> dict[str, Any]:
    page = StoredVersion.model_validate(merged(STORED, stored))
    return recovered_manifest(a_world(deployment=a_deployment(spec=dict(spec))), page)


def test_object_belongs_to_the_model_deployment() -> None:
    made = manifest()
    assert (made["apiVersion"], made["kind"]) == ("perennial.dev/v1alpha1", "ModelVersion")
    assert made["metadata"] == {
        "name": "bike-v2",
        "namespace": "default",
        "labels": names.labels("bike", "version"),
        "ownerReferences": [owner_reference(a_world())],
    }
    assert (made["spec"]["modelDeployment"], made["spec"]["number"]) == ("bike", 2)


@pytest.mark.parametrize(
    ("trigger", "made"),
    [
        (
            {"reason": "Drift", "message": "psi is 0.3", "driftReport": "october"},
            {
                "reason": "Recovered",
                "message": "found in the ledger; it was made because of Drift: psi is 0.3",
                "driftReport": "october",
            },
        ),
        (
            {"reason": "Request", "message": "m" * 4000, "request": "now"},
            {
                "reason": "Recovered",
                "message": ("found in the ledger; it was made because of Request: " + "m" * 4000)[:4000],
                "request": "now",
            },
        ),
        ({"reason": "Recovered", "message": "found"}, {"reason": "Recovered", "message": "found"}),
    ],
)
def test_trigger_says_why_the_version_was_made(trigger: dict[str, str], made: dict[str, str]) -> None:
    assert manifest(trigger=trigger)["spec"]["trigger"] == made


def test_recipe_is_that_of_the_page_or_of_today() -> None:
    today = {"model": MODEL, "data": DATA, "training": {"search": SEARCH, "engine": ENGINE, "calibration": "sigmoid"}}
    made = manifest(today, parent="bike-v1")["spec"]
    assert (made["model"]["estimator"], made["data"]["holdout"], made["parent"]) == (MODEL["estimator"], 0.3, "bike-v1")
    assert made["training"]["search"]["method"] == "random"
    assert (made["training"]["engine"]["dask"]["workers"], made["training"]["calibration"]) == (4, "sigmoid")
    then = manifest(recipe={"model": MODEL, "data": DATA, "search": SEARCH, "calibration": "isotonic"})["spec"]
    assert (then["model"]["estimator"], then["data"]["holdout"]) == (MODEL["estimator"], 0.3)
    assert (then["training"]["search"]["method"], then["training"]["calibration"]) == ("random", "isotonic")


def test_recipe_without_a_search_needs_no_engine() -> None:
    today = {"training": {"search": SEARCH, "engine": ENGINE, "timeout": "9m"}}
    made = manifest(today, recipe={"model": MODEL, "data": DATA})["spec"]["training"]
    assert ("search" in made, "engine" in made, made["timeout"]) == (False, False, "9m")
    with_search = manifest(today, recipe={"model": MODEL, "data": DATA, "search": SEARCH})["spec"]["training"]
    assert with_search["engine"]["dask"]["workers"] == 4
