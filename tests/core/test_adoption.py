"""An existing model becomes the first version, until a version has been live."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from perennial_operator.core.actions import Create, SetStatus
from perennial_operator.core.api.model_version import Phase
from perennial_operator.core.manifests.train_job import train_manifest
from perennial_operator.core.rules.known_bad import reason_not_to_repeat
from perennial_operator.core.rules.trainings.recipes import is_made_from_spec
from perennial_operator.core.stages.drift_assessment import Assessment
from perennial_operator.core.stages.training import deferral_of, next_step, trigger_of
from perennial_operator.core.world import Job, JobState, Policy, World
from perennial_operator.settings import BadSettingError, read_settings
from tests.builders import NOON, a_deployment, a_version, a_world, task_of
from tests.simulation.results import trained

EMPTY = Assessment()
ADOPT = {"uri": "s3://models/old.skops", "sha256": "a" * 64, "format": "skops"}
OTHER = ADOPT | {"sha256": "b" * 64}
JOBLIB = ADOPT | {"format": "joblib"}
ADOPTED = {"trigger": {"reason": "Adopted"}, "adopt": ADOPT}


def adopting(*versions: Any, adopt: dict[str, str] | None = ADOPT, allowed: bool = False, **fields: Any) -> World:
    spec = {"adopt": adopt, **fields.pop("spec", {})}
    annotations = fields.pop("annotations", {})
    status = {"lastVersionNumber": 1}  # so that no ledger is searched first
    deployment = a_deployment(spec=spec, status=status, annotations=annotations)
    return a_world(deployment=deployment, versions=versions, policy=Policy("t", adopt_joblib=allowed), **fields)


def reason(world: World) -> str | None:
    trigger = trigger_of(world)
    return trigger.reason if trigger else None


ASKED = {"perennial.dev/retrain-requested-at": "now"}


@pytest.mark.parametrize(
    ("world", "wanted"),
    [
        pytest.param(adopting(), "Adopted", id="no version"),
        pytest.param(adopting(adopt=None), "Initial", id="nothing to adopt"),
        pytest.param(adopting(a_version(1, "Failed", ADOPTED)), "Adopted", id="it failed"),
        pytest.param(adopting(a_version(1, "Rejected")), "Adopted", id="a training was rejected"),
        pytest.param(adopting(annotations=ASKED), "Adopted", id="a person asks"),
        pytest.param(adopting(a_version(1, "Live", ADOPTED)), None, id="it is live"),
        pytest.param(adopting(a_version(1, "Live", ADOPTED), adopt=OTHER), None, id="live, and another is named"),
        pytest.param(adopting(a_version(1, "Live", ADOPTED), annotations=ASKED), "Request", id="live, a person asks"),
        pytest.param(
            adopting(a_version(1, "RolledBack", ADOPTED, {"liveSince": "2026-11-23T12:00:00Z"})),
            "Initial",
            id="it was live",
        ),
    ],
)
def test_a_model_is_adopted_until_one_was_live(world: World, wanted: str | None) -> None:
    assert reason(world) == wanted


def test_adoption_that_a_person_asks_for_names_the_request() -> None:
    asked = trigger_of(adopting(annotations=ASKED))
    assert asked
    assert asked.request == "now"


@pytest.mark.parametrize(("adopt", "cause"), [(ADOPT, "RejectedByPerson"), (OTHER, None), (None, None)])
def test_rejection_by_a_person_is_valid_until_another_is_named(adopt: dict[str, str] | None, cause: str | None) -> None:
    status = {"reason": "RejectedByPerson", "message": "rejected by ann"}
    world = adopting(a_version(1, "Rejected", ADOPTED, status), adopt=adopt, now=NOON + timedelta(days=2))
    trigger = trigger_of(world)
    assert trigger
    deferral = deferral_of(world, trigger)
    assert (deferral and deferral.cause) == cause


def test_its_job_adopts_and_fits_nothing() -> None:
    training = {
        "search": {"method": "grid", "space": {"fit_intercept": [True]}, "folds": 3},
        "engine": {"dask": {"workers": 2}},
    }
    spec = {"training": training, "data": {"timeColumn": "at"}}
    version, job = next_step(adopting(spec=spec), EMPTY)
    assert isinstance(version, Create) and isinstance(job, Create)
    assert version.manifest["spec"]["adopt"] == ADOPT
    assert version.manifest["spec"]["trigger"]["reason"] == "Adopted"
    task = task_of(job.manifest)
    assert task["adopt"] == ADOPT
    assert not {"search", "engine", "calibration", "refit", "blend", "live"} & task.keys()


def test_a_later_version_is_trained_and_compared() -> None:
    live = a_version(1, "Live", ADOPTED, {"blend": {"models": 1, "fits": 0, "message": "adopted"}})
    world = adopting(live, annotations=ASKED)
    version, job = next_step(world, EMPTY)
    assert isinstance(version, Create) and isinstance(job, Create)
    assert "adopt" not in version.manifest["spec"]
    task = task_of(job.manifest)
    assert "adopt" not in task and task["live"]["name"] == "bike-v1"


def test_same_rows_are_new_to_a_trained_model() -> None:
    """The adopted model has not been made of them: another one of the same rows is another model."""
    live = a_version(1, "Live", ADOPTED, {"blend": {"models": 1, "fits": 0, "message": "adopted"}})
    second = a_version(2, "Training", {"trigger": {"reason": "Schedule"}})
    assert "knownRows" not in task_of(train_manifest(adopting(live, second), second))
    known = train_manifest(adopting(a_version(1), second), second)
    assert "knownRows" in task_of(known)


@pytest.mark.parametrize(
    ("adopt", "allowed", "stalled"), [(JOBLIB, False, True), (JOBLIB, True, False), (ADOPT, False, False)]
)
def test_code_is_loaded_only_if_it_is_allowed(adopt: dict[str, str], allowed: bool, stalled: bool) -> None:
    world = adopting(adopt=adopt, allowed=allowed)
    trigger = trigger_of(world)
    assert trigger
    deferral = deferral_of(world, trigger)
    assert (deferral.cause if deferral else None) == ("AdoptNotAllowed" if stalled else None)
    assert bool(next_step(world, EMPTY)) != stalled
    if deferral:
        assert "PERENNIAL_ADOPT_JOBLIB" in deferral.message
    else:
        (_, job) = next_step(world, EMPTY)
        assert isinstance(job, Create)
        assert task_of(job.manifest)["adopt"].get("allowCode", False) == allowed


@pytest.mark.parametrize("adopt", [OTHER, None], ids=["another", "none"])
def test_another_adoption_replaces_a_candidate(adopt: dict[str, str] | None) -> None:
    candidate = a_version(1, "Validating", ADOPTED)
    (action,) = next_step(adopting(candidate, adopt=adopt), EMPTY)
    assert isinstance(action, SetStatus)
    assert (action.status["phase"], action.status["reason"]) == ("Superseded", "SpecChanged")
    assert next_step(adopting(candidate), EMPTY) == ()
    assert not is_made_from_spec(candidate, adopting(adopt=adopt).spec)  # so that no pause holds it up


def test_another_file_is_not_known_bad() -> None:
    status = {"reason": "TooManyErrors", "image": "t"}
    first = a_version(1, "RolledBack", ADOPTED, status)
    same, other = (a_version(2, "Validating", ADOPTED | {"adopt": adopt}) for adopt in (ADOPT, OTHER))
    data = same.status.data
    assert data
    assert reason_not_to_repeat(adopting(first), same, data, "t")
    assert not reason_not_to_repeat(adopting(first), other, data, "t")


def test_that_its_metrics_may_flatter_it_is_kept() -> None:
    version = a_version(1, "Training", ADOPTED)
    jobs = {"bike-v1-train": Job("bike-v1-train", JobState.SUCCEEDED, answer=trained(1), pod="pod")}
    (action,) = next_step(adopting(version, jobs=jobs), EMPTY)
    assert isinstance(action, SetStatus)
    assert action.status["phase"] == Phase.VALIDATING
    assert action.status["blend"]["fits"] == 0 and "may flatter it" in action.status["blend"]["message"]
    assert action.status["refit"]["message"] == "no refit: the model was adopted"


def test_the_setting_is_off_unless_it_is_true() -> None:
    assert not read_settings({}).policy.adopt_joblib
    assert read_settings({"PERENNIAL_ADOPT_JOBLIB": "true"}).policy.adopt_joblib
    with pytest.raises(BadSettingError, match="give true or false"):
        read_settings({"PERENNIAL_ADOPT_JOBLIB": "yes"})
