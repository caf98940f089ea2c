"""The object that a version of the ledger becomes: what it takes from its page, and what from the spec of today."""

from __future__ import annotations

from typing import Any

import pytest

from perennial_operator.core import names
from perennial_operator.core.manifests.owner import owner_reference
from perennial_operator.core.rules.job_results import Recovered, StoredVersion, job_result
from perennial_operator.core.stages.recovered_version import recovered_manifest, restore_status, without_untrusted
from perennial_operator.core.world import Job, JobState
from tests.builders import SPEC, a_deployment, a_version, a_world, merged
from tests.contract.test_tasks_of_the_operator import RECOVERED, STORED

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


# ---- a page decides no more of a status than an entry has

OURS = "s3://models/perennial/default/bike/bike-v2/"
ENDED = merged(
    STORED["status"],
    {
        "artifact": {"uri": f"{OURS}model.joblib"},
        "data": {"holdoutUri": f"{OURS}holdout.parquet"},
        "reason": "WorseThanLive",
    },
)
LIVE = merged(ENDED, {"phase": "Live", "liveSince": "2026-11-20T12:00:00Z", "endedAt": None, "reason": None})


def result_of(status: dict[str, Any], passed_over: Any = ()) -> Recovered:
    versions = [STORED | {"status": status}]
    return Recovered.model_validate(RECOVERED | {"versions": versions, "passedOver": list(passed_over)})


@pytest.mark.parametrize(
    ("status", "kept"),
    [
        (ENDED, True),
        (ENDED | {"phase": "RolledBack"}, True),
        (LIVE, True),
        (merged(LIVE, {"liveSince": None}), False),
        (merged(ENDED, {"reason": None}), False),
        (ENDED | {"reason": "\x1b[2J"}, False),
        (merged(LIVE, {"phase": None, "reason": "Training"}), False),
        (ENDED | {"phase": "Training", "reason": "Training"}, False),
        (ENDED | {"phase": "Validating", "reason": "Trained"}, False),
        (ENDED | {"phase": "AwaitingApproval", "reason": "BetterThanLive"}, False),
        (ENDED | {"phase": "RollingOut", "reason": "RollingOut"}, False),
        (ENDED | {"phase": "Superseded"}, False),
        (ENDED | {"phase": "Failed", "reason": "NotRecovered"}, False),
        (merged(ENDED, {"artifact": None}), False),
        (merged(ENDED, {"data": None}), False),
    ],
)
def test_only_ends_of_versions_are_restored(status: dict[str, Any], kept: bool) -> None:
    page = result_of(status)
    trusted = without_untrusted(a_world(), page)
    assert (trusted == page) is kept
    if not kept:
        why = "the ledger does not say when it went live or that it failed, and with which model and rows"
        assert (trusted.versions, trusted.passed_over) == ([], ["bike-v2"])
        assert trusted.message == f"found; passed over: bike-v2: {why}"


MORE = {
    "watch": {"predecessor": "bike-v1", "replicas": 99},
    "rollout": {"weight": 100},
    "recorded": "another",
    "gate": "0",
    "surroundings": "0",
    "refusedFiles": "f" * 64,
    "contract": 9,
    "findings": ["none"],
    "conditions": [
        {
            "type": "Approved",
            "status": "True",
            "reason": "Approved",
            "message": "approved by ada",
            "lastTransitionTime": "2026-11-20T12:00:00Z",
        }
    ],
}


@pytest.mark.parametrize(
    ("page", "restored"),
    [
        (LIVE, LIVE | {"reason": "Recovered", "message": "found"}),
        (LIVE | {"liveSince": "9999-12-31T23:59:59Z"}, {"liveSince": "2026-11-23T14:00:00Z"}),
        (ENDED, ENDED),
    ],
    ids=["live", "live in the future", "rejected"],
)
def test_other_fields_of_a_page_are_left_out(page: dict[str, Any], restored: dict[str, Any]) -> None:
    lost = a_version(2, None, {"trigger": {"reason": "Recovered"}})
    result = result_of(page | MORE)
    status = restore_status(a_world(versions=(lost,)), lost, result.versions[0], result).status
    assert not (MORE.keys() - {"recorded", "conditions"}) & status.keys()
    assert (status["recorded"], [each["type"] for each in status["conditions"]]) == (STORED["entry"], ["Recorded"])
    assert {key: status.get(key) for key in restored} == restored


@pytest.mark.parametrize(
    ("page", "field"),
    [
        ({"parent": "../bike"}, "parent: "),
        ({"entry": "e" * 99}, "entry: "),
        ({"recipe": {"model": MODEL, "data": DATA, "calibration": "evil"}}, "recipe.calibration: "),
        ({"trigger": {"reason": "Evil"}}, "trigger.reason: "),
        ({"number": 0}, "number: "),
        ({"status": LIVE | {"parameters": {"alpha": 10**30}}}, "status.parameters.alpha: "),
    ],
)
def test_page_that_no_object_can_hold_is_passed_over(page: dict[str, Any], field: str) -> None:
    good, bad = STORED | {"status": ENDED}, STORED | {"status": LIVE} | page
    answer = RECOVERED | {"versions": [bad, good]}
    result = job_result(Job("bike-recover", JobState.SUCCEEDED, answer=answer), Recovered)
    assert isinstance(result, Recovered)
    assert [each.status.phase for each in result.versions] == ["Rejected"]
    assert result.passed_over == [bad["entry"][:60]]
    assert field in result.message
    assert result.message.endswith("; to use it, run the release of the operator that wrote it")


@pytest.mark.parametrize("passed_over", [(), ("bike-v3",)])
def test_event_of_a_recovery_warns_if_versions_were_passed_over(passed_over: Any) -> None:
    lost = a_version(2, None, {"trigger": {"reason": "Recovered"}})
    result = result_of(LIVE, passed_over)
    announcement = restore_status(a_world(versions=(lost,)), lost, result.versions[0], result).announce
    assert announcement and announcement.warning is bool(passed_over)
