"""Every transition of the table of phases is taken by a world here, and no other transition is possible."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from perennial_operator.core import names
from perennial_operator.core.actions import SetStatus
from perennial_operator.core.api.analysis import ERRORS_ROSE, FAILURES
from perennial_operator.core.api.model_version import IN_FLIGHT, ModelVersion, Phase
from perennial_operator.core.api.parsing import BadObjectError, UnknownPhaseError, parse
from perennial_operator.core.api.values import as_text
from perennial_operator.core.decide import decide_step
from perennial_operator.core.manifests.validate_job import comparison_labels
from perennial_operator.core.rules.phases import ANY, GATE_FAILED, GATE_PASSED, REPLACED, TRANSITIONS, may_follow
from perennial_operator.core.rules.transitions import ForbiddenTransitionError, phase_before, transition
from perennial_operator.core.world import Job, JobState, RoutingObject, Serving, World
from tests.builders import NOON, a_body, a_deployment, a_report, a_version, a_world, merged
from tests.core.test_analysis import analysed, traffic
from tests.simulation.play import Play, a_play, on_an_empty_cluster
from tests.simulation.results import REFUSED, trained, validated

Transition = tuple[str | None, str, str]
"""The phase before, the reason, and the phase after."""
ENTRIES: set[Transition] = {
    (before, reason, after)
    for before, targets in TRANSITIONS.items()
    for after, reasons in targets.items()
    for reason in reasons
}
MANUAL = {"rollout": {"approval": "manual"}}


def taken(world: World) -> set[Transition]:
    """The transitions that the core decides in this world; an unlisted reason is shown as ANY."""
    transitions = set()
    for action in decide_step(world).actions:
        if isinstance(action, SetStatus) and action.kind == "ModelVersion":
            version = world.version(action.name)
            assert version
            after, reason = Phase(action.status["phase"]), action.status["reason"]
            before = phase_before(version, after)
            transitions.add((before, reason if reason in TRANSITIONS[before][after] else ANY, after))
    return transitions


def with_candidate(phase: str | None, spec: Mapping[str, Any] = {}, live: bool = True, **fields: Any) -> World:
    """Version 1 is live, if any is, and version 2 is in this phase."""
    status, made = fields.pop("status", {}), {"trigger": {"reason": fields.pop("trigger", "Initial")}}
    versions = (*([a_version(1)] if live else []), a_version(2, phase, made, status, **fields.pop("metadata", {})))
    return a_world(deployment=a_deployment(spec=spec), versions=versions, **fields)


def with_job(world: World, name: str, answer: Mapping[str, Any] | None, **fields: Any) -> World:
    """The candidate's Job has ended with this answer."""
    assert world.candidate
    good = answer is not None and answer.get("outcome") == "Succeeded"
    state = JobState.SUCCEEDED if good else JobState.FAILED
    job = Job(name, state, labels=comparison_labels(world, world.candidate), answer=answer)
    return replace(world, jobs={name: replace(job, **fields)})


JOB_ENDS: dict[str, tuple[Mapping[str, Any] | None, Mapping[str, Any]]] = {
    "JobFailed": (None, {}),
    "TimedOut": (None, {"reason": "DeadlineExceeded"}),
    "ResultLost": (None, {"state": JobState.SUCCEEDED}),
    "BadAnswer": ({"outcome": "Succeeded"}, {}),
    ANY: (REFUSED, {}),
}
BETTER = validated(80.0, live=120.0)
NORTH = {"column": "region", "metric": "mse", "group": "north", "rows": 45, "live": 1.0, "candidate": 9.0, "ratio": 9.0}
REGION = {"validation": {"slices": [{"column": "region", "metric": "mse", "maxRatio": 1.5}]}}
GATE: dict[str, tuple[Mapping[str, Any], Mapping[str, Any], bool]] = {
    "ThresholdsMet": ({}, validated(80.0), False),
    "BetterThanLive": ({}, BETTER, True),
    "NotWorseThanLive": ({}, validated(120.0, live=120.0, upper=0.0), True),
    "NotShownWorse": ({}, validated(99.0, live=100.0, upper=0.04), True),
    "HoldoutTooSmall": ({}, BETTER | {"holdoutRows": 3}, True),
    "MetricMissing": ({"validation": {"thresholds": [{"metric": "mae", "max": 1}]}}, BETTER, True),
    "ThresholdNotMet": ({"validation": {"thresholds": [{"metric": "mse", "max": 1}]}}, BETTER, True),
    "NotCompared": ({}, validated(80.0), True),
    "WorseThanLive": ({}, validated(150.0, live=100.0, upper=0.6), True),
    "NotProvenBetter": ({}, validated(99.0, live=100.0, upper=0.04), True),
    "SliceNotMeasured": (REGION, BETTER, True),
    "SliceWorse": (REGION, BETTER | {"slices": [NORTH]}, True),
}
"""Reason → changes of the spec, the answer of the validation Job, and whether a version is live."""


def test_a_candidate_begins_training() -> None:
    job = Job("bike-v2-train", JobState.RUNNING)
    assert taken(with_candidate(None, jobs={job.name: job})) == {(None, "Training", "Training")}


def test_training_ends_by_its_job() -> None:
    transitions: set[Transition] = set()
    training, name = with_candidate("Training"), "bike-v2-train"
    for answer, fields in JOB_ENDS.values():
        transitions |= taken(with_job(training, name, answer, **fields))
    transitions |= taken(with_job(training, name, trained(2)))
    for reason in ("NoNewRows", "FilesUnchanged"):
        transitions |= taken(with_job(training, name, {"outcome": "Refused", "reason": reason, "message": "the same"}))
    made = {"image": training.policy.trainer_image, "data": {"sha256": f"{2:064x}"}}
    bad = a_version(3, "Rejected", status={"reason": "TooSlow", **made})
    known = replace(training, versions=(a_version(1), bad, a_version(4, "Training")))
    transitions |= taken(with_job(known, "bike-v4-train", trained(2)))
    pod = {"state": JobState.RUNNING, "pod": "pod"}
    lost = with_job(training, name, None, **pod)
    workers = Job("bike-v2-workers", JobState.FAILED, {names.FOR_POD: "pod", names.ROLE: "worker"})
    transitions |= taken(replace(lost, jobs={**lost.jobs, workers.name: workers}))
    transitions |= starts("Training", name)
    assert transitions == entries("Training") - {("Training", reason, "Superseded") for reason in REPLACED} - {
        ("Training", "RejectedByPerson", "Rejected")
    }


def starts(phase: str, job: str) -> set[Transition]:
    """The Job's pod does not start, starts later, or never."""
    before, blocked = with_candidate(phase), with_candidate(phase, status={"reason": "NotStarted"})
    running, late = {"state": JobState.RUNNING}, {"reason": "DeadlineExceeded"}
    waits = with_job(before, job, None, blocked=True, trouble="pod x is waiting", **running)
    return taken(waits) | taken(with_job(blocked, job, None, **running)) | taken(with_job(blocked, job, None, **late))


def test_validation_ends_by_the_gate_or_its_job() -> None:
    transitions: set[Transition] = set()
    for reason, (spec, answer, live) in GATE.items():
        for approval in ({}, MANUAL):
            trigger = "Growth" if reason == "NotShownWorse" else "Drift"
            world = with_candidate("Validating", merged(spec, approval), live=live, trigger=trigger)
            step = taken(with_job(world, "bike-v2-validate", answer))
            assert {each[1] for each in step} == {reason}
            transitions |= step
    for answer, fields in JOB_ENDS.values():
        transitions |= taken(with_job(with_candidate("Validating"), "bike-v2-validate", answer, **fields))
    transitions |= starts("Validating", "bike-v2-validate")
    assert set(GATE) == GATE_PASSED | GATE_FAILED
    assert transitions == {
        entry for entry in entries("Validating") if entry[1] not in (*REPLACED, "RejectedByPerson", "Pinned")
    }


@pytest.mark.parametrize("phase", IN_FLIGHT)
def test_a_candidate_is_replaced_or_rejected_in_any_phase(phase: Phase) -> None:
    changed = with_candidate(phase, {"model": {"target": "other"}})
    assert taken(changed) == {(phase, "SpecChanged", "Superseded")}
    waiting = with_candidate(phase, MANUAL)
    newer = replace(waiting, versions=(*waiting.versions, a_version(3, "AwaitingApproval")))
    assert taken(newer) == {(phase, "Superseded", "Superseded")}
    rejected = with_candidate(phase, metadata={"annotations": {names.REJECTED: "ann"}})
    job = names.train_job("bike-v2") if phase is Phase.TRAINING else names.validate_job("bike-v2")
    rejected = with_job(rejected, job, None, state=JobState.RUNNING)
    assert taken(rejected) == {(phase, "RejectedByPerson", "Rejected")}


@pytest.mark.parametrize("phase", ["AwaitingApproval", "RollingOut"])
def test_a_candidate_is_validated_again_after_a_change(phase: str) -> None:
    world = with_job(with_candidate(phase), "bike-v2-validate", BETTER, labels={names.AGAINST: "bike-v0"})
    assert taken(world) == {(phase, "ComparisonChanged", "Validating")}


PROVEN = {
    "data": trained(2)["data"],
    "artifact": trained(2)["artifact"],
    "metrics": {"candidate": {"mse": 98.0}, "live": {"mse": 100.0}},
    "comparison": {
        "rows": 200,
        "worsening": {"metric": "mse", "estimate": -0.02, "upper": 0.04, "confidence": 0.95},
        "slices": [NORTH],
    },
}
"""What the status of a candidate holds that has passed with a tolerance of 0.1 and a maxRatio of 10."""
AGAIN: dict[str, tuple[Mapping[str, Any], Mapping[str, Any]]] = {
    "MetricMissing": ({"thresholds": [{"metric": "mae", "max": 1}]}, {}),
    "ThresholdNotMet": ({"thresholds": [{"metric": "mse", "max": 90}]}, {}),
    "NotProvenBetter": ({"against": {"metric": "mse"}}, {}),
    "WorseThanLive": ({"against": {"metric": "mse"}}, {"estimate": 0.02}),
    "SliceWorse": ({**REGION["validation"], "against": {"metric": "mse", "tolerance": 0.1}}, {}),
}
"""Reason → spec.validation after an edit, and changes of the comparison."""


@pytest.mark.parametrize("reason", AGAIN)
@pytest.mark.parametrize("phase", ["AwaitingApproval", "RollingOut", "with pods"])
def test_a_candidate_past_the_gate_is_judged_by_the_edited_spec(phase: str, reason: str) -> None:
    validation, worsening = AGAIN[reason]
    status = merged(PROVEN, {"comparison": {"worsening": worsening}}) | (STARTED if phase == "with pods" else {})
    before = "RollingOut" if phase == "with pods" else phase
    world = with_candidate(before, {"validation": validation}, status=status)
    assert taken(world) == {(before, reason, "RolledBack" if phase == "with pods" else "Rejected")}


def test_a_candidate_is_not_judged_by_what_its_status_lacks() -> None:
    old = {key: value for key, value in PROVEN.items() if key != "comparison"}
    for status, validation in (
        (old, {"against": {"metric": "mse"}, **REGION["validation"]}),
        (PROVEN, {"against": {"metric": "mae"}}),
        (PROVEN, {"against": {"metric": "mse", "confidence": 0.99}}),
        (PROVEN, {"against": {"metric": "mse", "tolerance": 0.1}}),
        (PROVEN, {"thresholds": [{"metric": "mse", "max": 98}], "against": {"metric": "mse", "tolerance": 0.05}}),
    ):
        world = with_candidate("AwaitingApproval", {**MANUAL, "validation": validation}, status=status)
        assert taken(world) == set()


def test_a_person_approves() -> None:
    world = with_candidate("AwaitingApproval", MANUAL, metadata={"annotations": {names.APPROVED: "ann"}})
    assert taken(world) == {("AwaitingApproval", "Approved", "RollingOut")}


PINNABLE = sorted({before for before, reason, after in ENTRIES if reason == "Pinned" and after == "Live"}, key=str)


@pytest.mark.parametrize("phase", PINNABLE)
def test_a_pinned_version_with_a_model_becomes_live(phase: str) -> None:
    world = with_candidate(phase, {"pin": "bike-v2"}, status=a_model())
    serving = Serving("bike-v2", {}, 2, 2, 2, 2)
    assert taken(replace(world, serving={"bike-v2": serving})) == {(phase, "Pinned", "Live")}


def test_every_phase_but_training_and_live_can_be_pinned() -> None:
    assert set(PINNABLE) == set(Phase) - {Phase.TRAINING, Phase.LIVE}


def a_model() -> dict[str, Any]:
    """The status of a version whose training succeeded."""
    return {key: value for key, value in trained(2).items() if key in ("artifact", "data")}


def test_the_older_of_two_live_versions_is_superseded() -> None:
    world = with_candidate("Live", status={"liveSince": as_text(NOON.replace(hour=13))})
    assert taken(world) == {("Live", "Superseded", "Superseded")}


FAILED_WHILE_WATCHED = (*FAILURES, ERRORS_ROSE, "NotReady")


@pytest.mark.parametrize("reason", [*FAILED_WHILE_WATCHED, "DigestMismatch"])
def test_a_live_version_that_failed_is_rolled_back(reason: str) -> None:
    watch = {"predecessor": "bike-v1", "replicas": 2, "since": as_text(NOON), "reason": reason, "message": "why"}
    world = with_candidate("Live", {"rollout": {"watch": "1h"}}, status={"liveSince": as_text(NOON), "watch": watch})
    before = a_version(1, "Superseded", status=a_model())
    going = replace(world, now=NOON, versions=(before, world.versions[-1]))
    going = replace(going, serving={"bike-v1": Serving("bike-v1", {}, 2, 2, 2, 2)})
    assert taken(going) == {("Superseded", "WentBack", "Live")}
    again = a_version(1, "Live", status=a_model() | {"liveSince": as_text(NOON.replace(hour=13))})
    known = reason if reason in FAILED_WHILE_WATCHED else ANY
    assert taken(replace(going, versions=(again, world.versions[-1]))) == {("Live", known, "RolledBack")}


STARTED = {"rollout": {"weight": 50, "startedAt": as_text(NOON)}, "reason": "RollingOut"}


def test_a_roll_out_goes_on_stops_or_ends() -> None:
    rolling = with_candidate("RollingOut", {"rollout": {"steps": [{"weight": 50}]}})
    last = with_candidate("RollingOut", status={"rollout": {"weight": 100, "startedAt": as_text(NOON)}})
    serving = {"bike-v2": Serving("bike-v2", {}, 2, 2, 2, 2)}
    assert taken(rolling) == {("RollingOut", "RollingOut", "RollingOut")}
    blocked = with_candidate("RollingOut", {"rollout": {"gateway": {"httpRoute": "bike"}}}, routing=RoutingObject(None))
    assert taken(blocked) == {("RollingOut", ANY, "RollingOut")}
    assert taken(replace(last, serving=serving)) == {("RollingOut", "RolledOut", "Live")}
    pinned = with_candidate("RollingOut", {"pin": "bike-v1"}, status=STARTED)
    assert taken(pinned) == {("RollingOut", "Pinned", "Superseded")}


def test_a_roll_out_is_rolled_back() -> None:
    late = with_candidate("RollingOut", {"rollout": {"steps": [{"weight": 50}]}}, status=STARTED)
    rejected = with_candidate("RollingOut", status=STARTED, metadata={"annotations": {names.REJECTED: "ann"}})
    refusing = Serving("bike-v2", {}, 2, 0, 0, 2, refusal={"reason": "DigestMismatch", "message": "not the file"})
    breach = a_report(status={"outcome": "Breach", "message": "psi", "modelVersion": "bike-v2"})
    judged = with_candidate(
        "RollingOut", {"rollout": {"analysis": {}, "steps": [{"weight": 50}]}}, status=STARTED, reports=(breach,)
    )
    steps = taken(late) | taken(rejected) | taken(replace(late, serving={"bike-v2": refusing})) | taken(judged)
    reasons = {reason for _, reason, after in steps if after == "RolledBack"}
    for candidate in ({"errors": 10}, {"each": 0.03}):
        play = analysed()
        traffic(play, **candidate)
        reasons.add(play.version(2)["reason"])
    query = analysed({"queries": [{"name": "queue", "query": "queue_length", "max": 5}]})
    query.answers["queue"] = (7.0,)
    traffic(query)
    silent = analysed({"limit": "10m"})
    silent.wait(minutes=15)
    reasons |= {query.version(2)["reason"], silent.version(2)["reason"]} | set(AGAIN)
    assert reasons == TRANSITIONS[Phase.ROLLING_OUT][Phase.ROLLED_BACK]


def test_a_version_found_in_the_ledger_gets_its_phase_back() -> None:
    transitions: set[Transition] = set()
    for reason in ("WorseThanLive", "RejectedByPerson"):
        play = a_play(drift={"cooldown": "1m"})
        play.until_live(1)
        play.wait(hours=1)
        play.report("october")
        if reason == "WorseThanLive":
            play.until_rolling(2, candidate=150.0, live=100.0, upper=0.6)
        else:
            play.until_rolling(2, candidate=80.0, live=120.0)
            play.annotate("ModelVersion", "bike-v2", names.REJECTED, "ann")
        assert play.version(2)["reason"] == reason
        for pin in ("bike-v1", "bike-v2", None):
            transitions |= restored(on_an_empty_cluster(play, pin=pin))
    lost = on_an_empty_cluster(play, pin=None)
    while ("ModelVersion", "bike-v1") not in lost.bodies:
        lost.step()
    lost.cluster.remove("Job", "bike-recover")
    lost.cluster.storage.entries.clear()
    transitions |= restored(lost)
    assert transitions == {entry for entry in entries(None) if entry[1] != "Training"}


def restored(play: Play) -> set[Transition]:
    """The transitions that versions from the ledger begin with."""
    transitions: set[Transition] = set()
    for _ in range(20):
        world = play.world()
        transitions |= {each for each in taken(world) if each[0] is None and each[1] != "Training"}
        play.step()
    return transitions


def entries(phase: str | None) -> set[Transition]:
    return {entry for entry in ENTRIES if entry[0] == phase}


def test_every_entry_is_taken_by_a_test_of_this_file() -> None:
    """The tests above compare with the whole table, but for these, which they name one by one."""
    named = {(phase, reason, "Superseded") for phase in IN_FLIGHT for reason in REPLACED}
    named |= {(phase, "RejectedByPerson", "Rejected") for phase in IN_FLIGHT}
    named |= {(phase, "ComparisonChanged", "Validating") for phase in ("AwaitingApproval", "RollingOut")}
    named |= {(phase, "Pinned", "Live") for phase in PINNABLE}
    named |= {("Live", reason, "RolledBack") for reason in (*FAILED_WHILE_WATCHED, ANY)}
    named |= {("Superseded", "WentBack", "Live")}
    named |= {(before, reason, "Rejected") for before in ("AwaitingApproval", "RollingOut") for reason in AGAIN}
    named |= {
        (None, "Training", "Training"),
        ("AwaitingApproval", "Approved", "RollingOut"),
        ("Live", "Superseded", "Superseded"),
        ("RollingOut", "RollingOut", "RollingOut"),
        ("RollingOut", ANY, "RollingOut"),
        ("RollingOut", "RolledOut", "Live"),
        ("RollingOut", "Pinned", "Superseded"),
    }
    compared = entries(None) | entries("Training") | entries("Validating")
    compared |= {entry for entry in entries("RollingOut") if entry[2] == "RolledBack"}
    assert named | compared == ENTRIES


@pytest.mark.parametrize("after", Phase)
@pytest.mark.parametrize("before", Phase)
def test_a_transition_that_is_not_in_the_table_is_refused(before: Phase, after: Phase) -> None:
    world = with_candidate(before, status=a_model())
    version = world.versions[-1]
    if may_follow(before, after, "Unheard"):
        assert transition(world, version, after, "Unheard", "why").status["reason"] == "Unheard"
        return
    with pytest.raises(ForbiddenTransitionError, match=rf"phase {after} \(Unheard\) may not follow {before}"):
        transition(world, version, after, "Unheard", "why")


def test_an_unknown_phase_is_an_error_that_names_the_fix() -> None:
    body = a_body("ModelVersion", "bike-v1", a_version(1).spec.to_api(), {"phase": "Hibernating"})
    with pytest.raises(UnknownPhaseError, match=r"Hibernating.*; upgrade the operator, or restore the status"):
        parse(ModelVersion, body)
    assert UnknownPhaseError.reason == "UnknownPhase"
    assert issubclass(UnknownPhaseError, BadObjectError)
