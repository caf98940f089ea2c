"""One pass of each stage: why a candidate begins, how its Jobs end, who decides, and what the ledger gives back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from perennial_operator.core import names
from perennial_operator.core.actions import SetStatus
from perennial_operator.core.api.drift_report import Outcome
from perennial_operator.core.api.model_version import ModelVersion, Trigger
from perennial_operator.core.manifests.validate_job import comparison_labels
from perennial_operator.core.rules.job_results import Recovered
from perennial_operator.core.rules.job_starts import report_missing_job, report_start
from perennial_operator.core.rules.trainings.failures import surroundings_of
from perennial_operator.core.stages import record, rollout, training, validation
from perennial_operator.core.stages.drift_assessment import Assessment, assess_reports
from perennial_operator.core.stages.recovered_version import restore_status, without_untrusted
from perennial_operator.core.stages.recovery import recovery_deferral
from perennial_operator.core.world import Job, JobState, Orphan, World
from tests.builders import SPEC, a_deployment, a_report, a_version, a_world, merged
from tests.contract.test_tasks_of_the_operator import RECOVERED, STORED
from tests.simulation.results import TRAINED, validated

LIVE = a_version(1, creationTimestamp="2026-11-23T12:30:00Z")
EMPTY = Assessment()
NOTHING: Mapping[str, Any] = {}


def world_with(*versions: ModelVersion, spec: Any = NOTHING, annotations: Any = NOTHING, **fields: Any) -> World:
    return a_world(deployment=a_deployment(spec=spec, annotations=annotations), versions=versions, **fields)


def status_of(actions: tuple[Any, ...]) -> dict[str, Any]:
    (action,) = actions
    assert isinstance(action, SetStatus)
    return dict(action.status)


def summary(actions: tuple[Any, ...]) -> tuple[str, str, str]:
    status = status_of(actions)
    return status["phase"], status["reason"], status["message"]


# ---- why a candidate begins


def failed(reason: str, **spec: Any) -> ModelVersion:
    """Version 2 failed because of its surroundings, after a trigger with this reason."""
    surroundings = surroundings_of(a_deployment().spec)
    status = {"reason": "NoWorkers", "surroundings": surroundings, "endedAt": "2026-11-23T13:00:00Z"}
    return a_version(2, "Failed", {"trigger": {"reason": reason}, **spec}, status)


def report_at(clock: str, outcome: str) -> Any:
    status = {"outcome": outcome, "modelVersion": "bike-v1"}
    return a_report("later", 0.1, status=status, creationTimestamp=f"2026-11-23T{clock}:00Z")


ASKED = {names.RETRAIN: "now"}
HOURLY = {"training": {"schedule": "0 * * * *"}}
AGAIN = "bike-v2 failed because of its surroundings (NoWorkers)"
TRIGGERS: list[tuple[World, Trigger | None]] = [
    (world_with(), Trigger(reason="Initial", message="ModelDeployment bike has no live version")),
    (world_with(LIVE), None),
    (
        world_with(LIVE, annotations=ASKED),
        Trigger(reason="Request", request="now", message="perennial.dev/retrain-requested-at is now"),
    ),
    (
        world_with(LIVE, spec={"model": {"target": "other"}}),
        Trigger(reason="SpecChange", message="spec describes another model than bike-v1"),
    ),
    (
        world_with(LIVE, spec=HOURLY),
        Trigger(reason="Schedule", message="spec.training.schedule was due at 2026-11-23 13:00 UTC"),
    ),
    (world_with(LIVE, spec={"training": {"schedule": "1 14 * * *"}}), None),
    (world_with(LIVE, failed("Drift")), Trigger(reason="Drift", message=AGAIN)),
    (world_with(LIVE, failed("Reweighing")), Trigger(reason="Reweighing", message=AGAIN)),
    (world_with(LIVE, failed("Reweighing"), reports=(report_at("13:30", "WithinThresholds"),)), None),
    (world_with(LIVE, failed("Schedule")), Trigger(reason="Schedule", message=AGAIN)),
    (world_with(LIVE, failed("Request")), Trigger(reason="Request", message=AGAIN)),
    (world_with(LIVE, failed("SpecChange")), None),
    (world_with(LIVE, failed("Drift"), spec={"drift": {"mode": "Report"}}), None),
    (world_with(LIVE, failed("Drift"), spec={"drift": None}), None),
    (world_with(LIVE, failed("Schedule"), spec={"drift": None}), Trigger(reason="Schedule", message=AGAIN)),
    (world_with(LIVE, failed("Drift"), reports=(report_at("13:30", "WithinThresholds"),)), None),
    (world_with(LIVE, failed("Drift"), reports=(report_at("12:59", "WithinThresholds"),)), None),
    (
        world_with(LIVE, failed("Drift"), reports=(report_at("13:30", "NotMeasured"),)),
        Trigger(reason="Drift", message=AGAIN),
    ),
    (world_with(LIVE, a_version(2, "Failed", {"trigger": {"reason": "Drift"}}, {"reason": "JobFailed"})), None),
]


@pytest.mark.parametrize(("world", "trigger"), TRIGGERS)
def test_a_candidate_is_needed_for_a_stated_reason(world: World, trigger: Trigger | None) -> None:
    assert training.trigger_of(world) == trigger


# ---- training and validation


def test_a_request_replaces_a_first_version_that_is_not_ready() -> None:
    first = a_version(1, "RollingOut", status={"reason": "NotReady"})
    replaced = summary(training.next_step(world_with(first, annotations=ASKED), EMPTY))
    assert replaced == ("Superseded", "Superseded", "a person has requested another training")
    assert training.next_step(world_with(first), EMPTY) == ()
    assert training.next_step(world_with(first, annotations=ASKED, spec={"suspend": True}), EMPTY) == ()
    assert training.next_step(world_with(a_version(1, "RollingOut"), annotations=ASKED), EMPTY) == ()


@pytest.mark.parametrize(
    ("fields", "because"), [({"trouble": "no node"}, " (no node)"), ({"reason": "x"}, " (x)"), ({}, "")]
)
def test_failed_workers_fail_the_training(fields: dict[str, str], because: str) -> None:
    jobs = {
        "bike-v2-train": Job("bike-v2-train", JobState.RUNNING, pod="pod"),
        "bike-v2-workers": Job("bike-v2-workers", JobState.FAILED, {names.FOR_POD: "pod"}, **fields),  # type: ignore[arg-type]
    }
    world = world_with(LIVE, a_version(2, "Training"), jobs=jobs)
    message = f"the workers of the training failed: Job bike-v2-workers failed{because}; see its log"
    assert summary(training.next_step(world, EMPTY)) == ("Failed", "WorkersFailed", message)
    other = replace(world, jobs=jobs | {"bike-v2-train": replace(jobs["bike-v2-train"], pod="another")})
    assert training.next_step(other, EMPTY) == ()


def trained_with(**answer: Any) -> dict[str, Any]:
    job = Job("bike-v2-train", JobState.SUCCEEDED, answer=merged(TRAINED, answer))
    return status_of(training.next_step(world_with(LIVE, a_version(2, "Training"), jobs={job.name: job}), EMPTY))


def test_weights_in_place_of_a_fit_are_known_to_be_bad() -> None:
    """What its training has done counts, and not what it was for."""
    status = {"reason": "TooSlow", "image": "perennial-trainer", "data": {"sha256": TRAINED["data"]["sha256"]}}
    weighed = a_version(2, "RolledBack", {"trigger": {"reason": "Reweighing"}}, status)
    answer = merged(TRAINED, {"blend": {"models": 3, "fits": 0, "message": "3 models of bike-v1"}})
    job = Job("bike-v3-train", JobState.SUCCEEDED, answer=answer)
    world = world_with(LIVE, weighed, a_version(3, "Training"), jobs={job.name: job})
    assert summary(training.next_step(world, EMPTY))[:2] == ("Rejected", "KnownBad")


def test_status_of_a_trained_version_has_all_of_the_result() -> None:
    status = trained_with(findings=["rows are few", "x" * 2000], parameters={"alpha": 1}, contract=3)
    assert (status["phase"], status["reason"], status["message"]) == ("Validating", "Trained", TRAINED["message"])
    assert status["findings"] == ["rows are few", "x" * 1000]
    assert (status["parameters"], status["contract"], status["image"]) == ({"alpha": 1}, 3, "perennial-trainer")
    assert status["artifact"] == TRAINED["artifact"]
    assert {key: status["data"][key] for key in TRAINED["data"]} == TRAINED["data"]
    (condition,) = status["conditions"]
    assert (condition["type"], condition["status"]) == ("Trained", "True")
    assert not {"findings", "parameters"} & trained_with().keys()


@pytest.mark.parametrize(
    "answer",
    [
        {"artifact": {"uri": "s3://elsewhere/m.joblib"}},
        {"data": {"holdoutUri": "s3://elsewhere/h.parquet"}},
        {"refit": {"message": "again", "artifact": {"uri": "s3://elsewhere/r.joblib", "sha256": "9" * 64}}},
    ],
)
def test_training_that_names_files_elsewhere_fails(answer: dict[str, Any]) -> None:
    status = trained_with(**answer)
    assert (status["phase"], status["reason"]) == ("Failed", "BadAnswer")
    assert status["message"].startswith("Job bike-v2-train names s3://elsewhere")
    assert [(each["type"], each["status"]) for each in status["conditions"]] == [("Trained", "False")]
    assert "artifact" not in status


@pytest.mark.parametrize(("reason", "phase"), [("FilesUnchanged", "Superseded"), ("TooFewRows", "Failed")])
def test_refused_files_are_recorded(reason: str, phase: str) -> None:
    answer = {"outcome": "Refused", "reason": reason, "message": "no", "files": "f" * 64}
    job = Job("bike-v2-train", JobState.FAILED, answer=answer)
    status = status_of(training.next_step(world_with(LIVE, a_version(2, "Training"), jobs={job.name: job}), EMPTY))
    assert (status["phase"], status["reason"], status["refusedFiles"]) == (phase, reason, "f" * 64)
    assert status["image"]  # without it the files are not known to be those that this image has refused
    assert [(each["type"], each["status"]) for each in status["conditions"]] == [("Trained", "False")]


def test_start_of_a_job_is_reported_with_its_condition() -> None:
    version, job = (
        a_version(2, "Validating"),
        Job("bike-v2-validate", JobState.RUNNING, blocked=True, trouble="no node"),
    )
    blocked = status_of(report_start(a_world(), version, job, "validating on the holdout", "Validated"))
    assert (blocked["phase"], blocked["reason"], blocked["message"]) == (
        "Validating",
        "NotStarted",
        "its pod does not start: no node",
    )
    assert [(each["type"], each["status"]) for each in blocked["conditions"]] == [("Validated", "Unknown")]
    late = a_version(2, "Validating", status=blocked)
    assert report_start(a_world(), late, job, "validating on the holdout", "Validated") == ()
    running = replace(job, blocked=False, trouble="")
    started = report_start(a_world(), late, running, "validating on the holdout", "Validated")
    assert summary(started) == ("Validating", "Validating", "validating on the holdout")
    assert report_start(a_world(), version, running, "validating on the holdout", "Validated") == ()


@pytest.mark.parametrize(
    ("versions", "spec"),
    [
        ((), {}),
        ((LIVE,), {}),
        ((LIVE, a_version(2, "RollingOut")), {}),
        ((a_version(1, "Training"),), {"suspend": True}),
    ],
)
def test_no_missing_job_is_reported_where_none_is_needed(versions: Any, spec: Any) -> None:
    assert report_missing_job(world_with(*versions, spec=spec), "quota") is None


def validating(spec: Any = NOTHING, phase: str = "Validating", labels: Any = NOTHING, **job: Any) -> tuple[Any, ...]:
    world = world_with(LIVE, a_version(2, phase), spec=spec)
    current = comparison_labels(world, world.versions[-1])
    fields = {"state": JobState.SUCCEEDED, "answer": validated(80.0, live=100.0), **job}
    made = Job("bike-v2-validate", labels={**current, **labels}, **fields)
    return validation.next_step(replace(world, jobs={made.name: made}), EMPTY)


def test_a_passed_gate_waits_for_a_person_if_asked_to() -> None:
    message = "mse is 80, bike-v1 has 100 on the same 200 holdout rows"
    assert summary(validating()) == ("RollingOut", "BetterThanLive", message)
    annotate = f"{message}; to approve it, annotate it with {names.APPROVED}"
    manual = {"rollout": {"approval": "manual"}}
    assert summary(validating(manual)) == ("AwaitingApproval", "BetterThanLive", annotate)
    worse = validating(manual, answer=validated(150.0, live=100.0, upper=0.6))
    assert summary(worse)[:2] == ("Rejected", "WorseThanLive")


def test_status_of_a_validated_version_has_the_comparison() -> None:
    passed = status_of(validating())
    assert passed["metric"] == "mse 80 (live 100)"
    assert passed["metrics"] == {
        "candidate": {"mse": 80.0, "r2": 0.9},
        "live": {"mse": 100.0, "r2": 0.5},
        "standardErrors": {"mse": 4.0},
    }
    assert (passed["comparison"]["rows"], passed["comparison"]["worsening"]["upper"]) == (200, -0.1)
    assert "gate" not in passed
    assert len(status_of(validating(answer=validated(150.0, live=100.0, upper=0.6)))["gate"]) == 16


def test_another_comparison_is_validated_again() -> None:
    again = summary(validating({"rollout": {"approval": "manual"}}, "AwaitingApproval", {names.AGAINST: "bike-v0"}))
    message = "the live version or the metric of spec.validation.against has changed; it is validated again"
    assert again == ("Validating", "ComparisonChanged", message)
    status = status_of(validating({"rollout": {"approval": "manual"}}, "AwaitingApproval", {names.AGAINST: "bike-v0"}))
    assert [(each["type"], each["status"]) for each in status["conditions"]] == [("Validated", "Unknown")]


STRICT = {"validation": {"thresholds": [{"metric": "r2", "min": 0.95}]}}


@pytest.mark.parametrize(
    ("phase", "rollout", "end"),
    [("AwaitingApproval", None, "Rejected"), ("RollingOut", None, "Rejected"), ("RollingOut", 20, "RolledBack")],
)
def test_a_candidate_that_no_longer_passes_ends(phase: str, rollout: int | None, end: str) -> None:
    status = {"metrics": {"candidate": {"mse": 80.0, "r2": 0.9}}} | (
        {"rollout": {"weight": rollout}} if rollout else {}
    )
    candidate = a_version(2, phase, status=status)
    spec = STRICT | {"rollout": {"approval": "manual"}}
    ended = status_of(validation.next_step(world_with(LIVE, candidate, spec=spec), EMPTY))
    assert (ended["phase"], ended["reason"], ended["message"]) == (
        end,
        "ThresholdNotMet",
        "r2 is 0.9 on 200 holdout rows, below min 0.95; spec.validation was changed after the candidate had passed",
    )
    assert (len(ended["gate"]), "rollout" in ended) == (16, False)
    assert [(each["type"], each["status"]) for each in ended["conditions"]] == [("Validated", "False")]
    pinned = world_with(LIVE, candidate, spec=spec | {"pin": "bike-v2"})
    assert validation.next_step(pinned, EMPTY) == ()


# ---- who decides


@pytest.mark.parametrize(
    ("annotations", "approval", "message"),
    [
        ({names.APPROVED: "ann"}, "manual", "approved by ann"),
        ({names.APPROVED: "ci", names.PERSON: "ann"}, "manual", "approved by ci on behalf of ann"),
        ({names.PERSON: "ann"}, "automatic", "spec.rollout.approval is automatic"),
        ({names.PERSON: "ann"}, "manual", None),
    ],
)
def test_an_approval_names_who_decided(annotations: Any, approval: str, message: str | None) -> None:
    waiting = a_version(2, "AwaitingApproval", annotations=annotations)
    actions = rollout.next_step(world_with(LIVE, waiting, spec={"rollout": {"approval": approval}}), EMPTY)
    assert (summary(actions) if actions else None) == (message and ("RollingOut", "Approved", message))


def test_an_older_candidate_is_superseded() -> None:
    world = world_with(LIVE, a_version(2, "AwaitingApproval"), a_version(3, "AwaitingApproval"))
    assert summary(rollout.next_step(world, EMPTY)) == ("Superseded", "Superseded", "bike-v3 was made after it")


# ---- drift


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"suspend": True}, "psi of feature1 is 0.3, above 0.2; spec.suspend is true"),
        (
            {"suspend": True, "drift": {"mode": "Report"}},
            "psi of feature1 is 0.3, above 0.2; spec.suspend is true; "
            "spec.drift.mode is Report, so drift starts no training anyway",
        ),
    ],
)
def test_a_deferral_in_a_dry_run_says_so(spec: Any, message: str) -> None:
    verdict = assess_reports(world_with(LIVE, spec=spec, reports=(a_report(),))).verdicts["report"]
    assert (verdict.outcome, verdict.message) == (Outcome.SUSPENDED, message)


# ---- the ledger


@pytest.mark.parametrize("length", [10, 3000])
def test_an_entry_that_fails_is_reported_once(length: int) -> None:
    began = {names.ENTRY: "20261123T123000Z-v1-Live", names.ROLE: "record", names.SCHEDULED: "1795442400"}
    job = Job("bike-v1-record", JobState.FAILED, began, trouble="x" * length)
    reported = record.next_step(world_with(LIVE, jobs={job.name: job}), EMPTY)
    status = status_of(reported)
    (condition,) = status["conditions"]
    assert (condition["type"], condition["status"], condition["reason"]) == ("Recorded", "False", "JobFailed")
    reporting = a_version(1, status=status, creationTimestamp="2026-11-23T12:30:00Z")
    assert record.next_step(world_with(reporting, jobs={job.name: job}), EMPTY) == ()


OURS = "s3://models/perennial/default/bike/bike-v2/"
STATUS = merged(
    STORED["status"],
    {
        "artifact": {"uri": f"{OURS}model.joblib"},
        "data": {"holdoutUri": f"{OURS}holdout.parquet"},
        "reason": "WorseThanLive",
    },
)


def a_result(**stored: Any) -> Recovered:
    return Recovered.model_validate(RECOVERED | {"versions": [STORED | {"status": STATUS} | stored]})


def recipe(**model: Any) -> dict[str, Any]:
    return {"recipe": {"model": {**SPEC["model"], **model}, "data": SPEC["data"]}}


@pytest.mark.parametrize(
    ("spec", "stored", "problem"),
    [
        ({}, {}, ""),
        ({}, recipe(), ""),
        (
            {},
            recipe(format="skops"),
            "bike-v2: the ledger says model.framework sklearn and format skops, spec sklearn and joblib, which decide "
            "how its files are read",
        ),
        ({"recover": {"atLeast": "v2"}}, {}, ""),
        ({"recover": {"atLeast": "v3"}}, {}, "bike-v2 is older than spec.recover.atLeast v3"),
        ({"recover": {"atLeast": "v3"}, "pin": "bike-v2"}, {}, ""),
    ],
)
def test_a_version_that_storage_alone_vouches_for_is_passed_over(spec: Any, stored: Any, problem: str) -> None:
    result, world = a_result(**stored), world_with(spec=spec)
    kept = without_untrusted(world, result)
    if problem:
        assert (kept.versions, kept.passed_over) == ([], ["bike-v2"])
        assert kept.message == f"found; passed over: {problem}"
    else:
        assert kept == result


SERVED = {"status": STATUS | {"phase": "Live", "liveSince": "2026-11-20T12:00:00Z"}}
EVIL = "evil.example/trainer:1"


@pytest.mark.parametrize(
    ("spec", "versions", "image", "phase", "message"),
    [
        ({}, (), None, "Live", "found"),
        ({}, (LIVE,), None, "Superseded", "found"),
        ({"pin": "bike-v7"}, (), None, "Superseded", "found"),
        ({}, (), "perennial-trainer:2", "Live", "found"),
        (
            {},
            (),
            EVIL,
            "Live",
            f"found; its image {EVIL} is not used: neither the operator nor spec names one of its repository",
        ),
    ],
)
def test_a_restored_version_serves_if_no_other_does(
    spec: Any, versions: Any, image: str | None, phase: str, message: str
) -> None:
    status = SERVED["status"] | ({"image": image} if image else {})
    result = a_result(status=status)
    lost = a_version(2, None, {"trigger": {"reason": "Recovered"}}, resourceVersion="7")
    action = restore_status(world_with(*versions, lost, spec=spec), lost, result.versions[0], result)
    restored = action.status
    assert (restored["phase"], restored["reason"], restored["message"]) == (phase, "Recovered", message)
    assert (restored["recorded"], restored.get("image")) == (STORED["entry"], None if image == EVIL else image)
    assert ("endedAt" in restored) is (phase == "Superseded")
    assert [(each["type"], each["status"], each["message"]) for each in restored["conditions"]] == [
        ("Recorded", "True", message)
    ]
    assert (action.kind, action.name, action.resource_version) == ("ModelVersion", "bike-v2", "7")
    assert action.announce and action.announce.message == f"bike-v2: {message}"
    assert not action.announce.warning


def searched(answer: Any, spec: Any = NOTHING, orphans: Any = (), **fields: Any) -> World:
    state = JobState.SUCCEEDED if (answer or {}).get("outcome") == "Succeeded" else JobState.FAILED
    job = Job("bike-recover", answer=answer, **{"state": state, **fields})
    return world_with(spec=spec, orphans=orphans, jobs={job.name: job})


STORED_ANSWER = RECOVERED | {"versions": [STORED | {"status": STATUS}]}
DOWN = {"outcome": "Failed", "reason": "StorageUnreachable", "message": "s3://models does not answer"}


@pytest.mark.parametrize(
    ("world", "outcome", "message", "cause"),
    [
        (
            world_with(),
            Outcome.BUSY,
            "bike-recover looks for a version that was live before in the ledger in storage",
            "",
        ),
        (
            searched(None, state=JobState.RUNNING, trouble="no node"),
            Outcome.BUSY,
            "bike-recover looks for a version that was live before in the ledger in storage; no node",
            "",
        ),
        (
            searched(None, {"pin": "bike-v7"}, state=JobState.RUNNING),
            Outcome.BUSY,
            "bike-recover looks for bike-v7 in the ledger in storage",
            "",
        ),
        (
            searched(DOWN),
            Outcome.STALLED,
            "the ledger in storage could not be searched for a version that was live before: s3://models does not "
            "answer",
            "StorageUnreachable",
        ),
        (
            searched(STORED_ANSWER, orphans=(Orphan("bike-v2", 2, "f" * 64, ""),)),
            Outcome.STALLED,
            "ModelVersion bike-v2 has no owner, and the digests of its model and holdout (ffffffffffff, none) are not "
            "those of the ledger (000000000000, 111111111111); find out which is right; to use the ledger, delete the "
            "ModelVersion",
            "LedgerConflict",
        ),
        (searched(STORED_ANSWER, orphans=(Orphan("bike-v2", 2, f"{1:064x}", "1" * 64),)), None, "", ""),
        (searched(STORED_ANSWER), None, "", ""),
    ],
)
def test_training_waits_for_the_ledger_and_says_why(world: World, outcome: Any, message: str, cause: str) -> None:
    deferral = recovery_deferral(world)
    if outcome is None:
        assert deferral is None
    else:
        assert deferral
        assert (deferral.reason, deferral.message, deferral.cause) == (outcome, message, cause)
        assert (deferral.until is not None) is (cause == "StorageUnreachable")
