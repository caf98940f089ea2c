"""Checks of a version by the rows that it answered: when they are made, and what follows from them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from perennial_operator.core import names
from perennial_operator.core.actions import Create
from perennial_operator.core.api.values import as_text
from perennial_operator.core.rollout.version_checks import next_version_check
from perennial_operator.core.rules.report_verdict import judge
from perennial_operator.core.status.version_checks import quality_checked
from perennial_operator.core.world import Job, JobState, World
from tests.builders import a_deployment, a_report, a_version, a_world, merged, task_of
from tests.core.test_captured_rows import CAPTURE, LABELS
from tests.simulation.disturbances import dying, late, twice
from tests.simulation.play import Play, a_play
from tests.simulation.results import REFUSED, compared
from tests.trainer.tasks import TASK

ROLLOUT = {
    "steps": [{"weight": 50, "hold": "28m"}],
    "analysis": {"minRequests": 1, "interval": "4m", "maxLatencyRatio": 1000},
    "watch": "1h",
}
SPEC: dict[str, Any] = {
    "data": {"timeColumn": "perennial.time", "training": {"captured": True}, "labels": LABELS | {"mature": "8m"}},
    "drift": {"thresholds": [{"metric": "psi", "max": 0.2}, {"metric": "mse", "max": 500}], "cooldown": "1m"},
    "serving": {"capture": CAPTURE},
    "rollout": ROLLOUT,
}
"""Eight minutes are a tenth of the time from eight minutes after the approval to the end of the watch, if all goes well."""


def rolling(**changes: Any) -> Play:
    """Version 2 was approved just now, and half of the pods are of it."""
    play = a_play(**merged(SPEC, changes))
    play.until_live(1)
    play.wait(hours=2)
    play.annotate("ModelDeployment", "bike", names.RETRAIN, "0")
    play.until_rolling(2, candidate=80.0, live=120.0)
    play.pods_ready()
    assert play.phases()["bike-v2"] == "RollingOut"
    return play


def checks(play: Play, number: int = 2) -> list[str]:
    """The Jobs that check the version now."""
    return [name for name in play.jobs if name.startswith(f"bike-v{number}-check-")]


def until_check(play: Play) -> str:
    """The name of the next check, as soon as it is due."""
    for _ in range(200):
        if running := checks(play):
            return running[0]
        play.requests("bike-v1", 10)
        play.requests("bike-v2", 10)
        play.wait(minutes=4)
        play.pods_ready()
    raise AssertionError(play.version(2))


def until_watched(play: Play) -> Play:
    """Version 2 is live, and no check runs."""
    while play.phases()["bike-v2"] != "Live":
        if checks(play):
            play.finish(checks(play)[0], compared(0.0))
        play.requests("bike-v1", 10)
        play.requests("bike-v2", 10)
        play.wait(minutes=4)
        play.pods_ready()
    return play


def made(play: Play) -> list[dict[str, Any]]:
    """The manifests of all checks of version 2."""
    jobs = [each.manifest for each in play.done if isinstance(each, Create) and each.manifest["kind"] == "Job"]
    return [dict(each) for each in jobs if each["metadata"]["labels"][names.ROLE] == "version-check"]


def test_a_check_compares_the_rows_that_a_candidate_answered() -> None:
    play = rolling()
    started = play.now
    check = until_check(play)
    assert play.now - started == timedelta(minutes=16)
    assert play.phases()["bike-v2"] == "RollingOut"
    (manifest,) = made(play)
    task = task_of(manifest)
    TASK.validate(task)
    assert (task["live"]["name"], task["against"]["name"]) == ("bike-v2", "bike-v1")
    assert task["data"]["captured"]["version"] == "bike-v2"
    assert task["data"]["captured"]["since"].startswith(f"{started:%Y-%m-%dT%H:%M}")
    assert [each["metric"] for each in task["thresholds"]] == ["mse"]
    play.finish(check, compared(0.01))
    spec = play.bodies["DriftReport", check]["spec"]
    assert (spec["modelVersion"], spec["against"]["modelVersion"]) == ("bike-v2", "bike-v1")
    assert play.outcome(check) == (
        "WithinThresholds",
        "within thresholds: mse 80; excess_loss is 0.01 (mse 80, of bike-v1 on the same rows 79.2)",
    )
    assert checks(play) == []


def test_nine_checks_are_spread_over_the_time() -> None:
    play = rolling()
    done = 0
    while not (play.phases()["bike-v2"] == "Live" and "watch" not in play.version(2)):
        if checks(play):
            play.finish(checks(play)[0], compared(0.0))
            done += 1
        play.requests("bike-v1", 10)
        play.requests("bike-v2", 10)
        play.wait(minutes=4)
        play.pods_ready()
    assert done == len(made(play)) == 9


def test_a_check_without_new_rows_is_not_made_again() -> None:
    play = rolling(history={"reports": 1})
    names_of_checks = []
    while not (play.phases()["bike-v2"] == "Live" and "watch" not in play.version(2)):
        if checks(play):
            names_of_checks.append(checks(play)[0])
            play.finish(names_of_checks[-1], compared(0.0))
        play.requests("bike-v1", 10)
        play.requests("bike-v2", 10)
        play.wait(minutes=1)
        play.pods_ready()
    assert len(names_of_checks) == len(set(names_of_checks)) == 9
    assert [each["metadata"]["name"] for each in play.all("DriftReport")] == names_of_checks[-1:]


WORSE = (
    "report {}: excess_loss is 0.4 (mse 80, of bike-v1 on the same rows 48), above 0.02 by more than 3 standard errors "
    "of 0.02"
)


@pytest.mark.parametrize(
    ("watched", "result", "outcome", "message"),
    [
        (False, compared(0.4), "Breach", WORSE),
        (True, compared(0.4), "Breach", WORSE),
        (True, compared(-0.2, mse=600.0), "Breach", "report {}: mse is 600, above 500"),
        (False, compared(0.4, error=0.2), "WithinThresholds", ""),
        (False, compared(0.4, samples=40), "TooFewSamples", ""),
        (True, compared(0.02, error=0.0), "WithinThresholds", ""),
    ],
    ids=["worse", "worse in the watch", "beyond a threshold", "perhaps by chance", "too few rows", "hardly worse"],
)
def test_a_version_goes_back_if_shown_to_be_worse(
    watched: bool, result: dict[str, Any], outcome: str, message: str
) -> None:
    play = rolling()
    if watched:
        until_watched(play)
    check = until_check(play)
    play.finish(check, result)
    play.pods_ready()
    assert play.outcome(check)[0] == outcome
    version = play.version(2)
    if message:
        assert (version["phase"], version["reason"]) == ("RolledBack", "QualityBreach")
        assert version["message"].startswith(message.format(check))
    else:
        assert version["phase"] == ("Live" if watched else "RollingOut")
    play.wait(hours=2)
    assert {v["spec"]["trigger"]["reason"] for v in play.all("ModelVersion")} == {"Initial", "Request"}


def test_reports_of_a_roll_out_say_nothing_about_drift() -> None:
    play = until_watched(rolling(drift={"check": {"schedule": "0 0 1 1 *", "data": {"captured": True}}}))
    play.finish(until_check(play), compared(0.0))
    assert len(play.all("DriftReport")) == 3
    assert "drift" not in play.status
    assert play.condition("Checked")["reason"] == "NotYet"
    assert play.condition("QualityChecked")["status"] == "True"


@pytest.mark.parametrize("disturb", [*(dying(n) for n in range(6)), late, twice])
def test_disturbed_checks_come_to_the_same_end(disturb: Callable[[Play], None]) -> None:
    play = rolling()
    disturb(play)
    check = until_check(play)
    play.finish(check, compared(0.4))
    play.pods_ready()
    assert (play.version(2)["reason"], play.made[check]) == ("QualityBreach", 2)  # a Job and a report, each once


def test_a_check_ends_with_the_version_that_it_is_about() -> None:
    play = rolling()
    check = until_check(play)
    play.annotate("ModelVersion", "bike-v2", names.REJECTED, "ada")
    assert play.phases()["bike-v2"] == "RolledBack"
    assert checks(play) == []
    assert ("DriftReport", check) not in play.bodies


def judged(version: dict[str, Any], live: dict[str, Any] | None = None, **spec: Any) -> tuple[str, str]:
    """The verdict on a report about version 2, whose status this is, against version 1."""
    live_one = a_version(1, "Live" if version["phase"] == "RollingOut" else "Superseded", status=live or {})
    versions = (live_one, a_version(2, status=version))
    measured = {"samples": 400, "metrics": compared(0.4)["metrics"]}
    named = {"modelVersion": "bike-v2", "against": {"modelVersion": "bike-v1"}}
    report = a_report(spec=merged(measured | named, spec))
    world = a_world(deployment=a_deployment(spec=SPEC), versions=versions, reports=(report,))
    assert report.whole
    verdict = judge(report.whole, world)
    return verdict.outcome.value, verdict.message


ROLLING = {"phase": "RollingOut", "rollout": {"weight": 50}}
WATCHED = {"phase": "Live", "watch": {"predecessor": "bike-v1", "replicas": 1}}
EXCESS = "excess_loss is 0.4 beside bike-v1, above 0.02 by more than 3 standard errors of 0.02"


@pytest.mark.parametrize(
    ("version", "spec", "verdict"),
    [
        (ROLLING, {}, ("Breach", EXCESS)),
        (WATCHED, {}, ("Breach", EXCESS)),
        (
            WATCHED,
            {"against": {"modelVersion": "bike-v3"}},
            ("Stale", "the report compares bike-v2 with bike-v3, and it replaces bike-v1 now"),
        ),
        (
            {"phase": "Live"},
            {},
            ("Stale", "the report compares bike-v2 with bike-v1, and it is not watched any longer"),
        ),
        ({"phase": "RolledBack"}, {}, ("Stale", "no version is live yet, so the report is about none")),
        (
            ROLLING,
            {"samples": 40, "waiting": 9},
            ("TooFewSamples", "40 samples are fewer than spec.drift.minSamples 200; 9 more wait for their label"),
        ),
        (
            ROLLING,
            {"metrics": [{"name": "mse", "value": 80.0}]},
            (
                "NotMeasured",
                "excess_loss was not measured: the report has no value of excess_loss; within thresholds: mse 80",
            ),
        ),
        (
            ROLLING,
            {"metrics": [{"name": "excess_loss", "value": 0.4}], "source": "perennial"},
            (
                "NotMeasured",
                "mse was not measured: the report has no value of mse; excess_loss was not measured: the report has "
                "excess_loss without a standardError",
            ),
        ),
        (ROLLING, {"window": {"start": "2020-01-01T00:00:00Z", "end": "2020-01-02T00:00:00Z"}}, ("Breach", EXCESS)),
    ],
    ids=["roll-out", "watch", "another", "unwatched", "gone", "few", "no excess", "no error", "an old window"],
)
def test_a_report_counts_for_its_roll_out_alone(
    version: dict[str, Any], spec: dict[str, Any], verdict: tuple[str, str]
) -> None:
    assert judged(version, **spec) == verdict


@pytest.mark.parametrize(("tolerance", "outcome"), [(0.0, "Breach"), (0.5, "Breach"), (0.6, "WithinThresholds")])
def test_tolerance_of_the_gate_is_allowed_for(tolerance: float, outcome: str) -> None:
    report = a_report(
        spec={
            "modelVersion": "bike-v2",
            "against": {"modelVersion": "bike-v1"},
            "metrics": [{"name": "excess_loss", "value": 0.34, "standardError": 0.0}, {"name": "mse", "value": 9.0}],
        }
    )
    spec = merged(SPEC, {"validation": {"against": {"metric": "mse", "tolerance": tolerance}}})
    world = a_world(deployment=a_deployment(spec=spec), versions=(a_version(1), a_version(2, status=ROLLING)))
    assert report.whole
    assert judge(report.whole, world).outcome == outcome


def test_a_check_runs_on_from_step_to_step() -> None:
    play = rolling(rollout={"steps": [{"weight": 20, "hold": "20m"}, {"weight": 50, "hold": "30m"}]})
    check = until_check(play)
    for _ in range(3):
        play.requests("bike-v1", 10)
        play.requests("bike-v2", 10)
        play.wait(minutes=4)
        play.pods_ready()
    assert play.version(2)["rollout"]["weight"] == 50
    assert checks(play) == [check]


def test_a_failed_check_is_said_and_made_again() -> None:
    play = rolling()
    first = until_check(play)
    play.finish(first, REFUSED | {"task": "check"})
    assert play.condition("QualityChecked")["reason"] == "TooFewRows"
    play.wait(minutes=7)
    assert checks(play) == [first]
    for _ in range(2):
        play.wait(minutes=1)
    assert len(checks(play)) == 1
    assert checks(play) != [first]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, None),
        ({"data": {"labels": {"mature": "2h"}}}, "LabelsTooLate"),
        ({"data": {"labels": {"mature": "88m"}}}, "LabelsTooLate"),
        ({"data": {"labels": {"mature": "87m"}}}, None),
        ({"serving": {"capture": {"exclude": ["feature1"]}}}, "InputsExcluded"),
        ({"serving": {"capture": {"share": 0}}}, "not wanted"),
        ({"rollout": {"analysis": None, "watch": None}}, "not wanted"),
        ({"data": {"labels": None}}, "not wanted"),
    ],
)
def test_it_is_said_where_no_version_can_be_checked(changes: dict[str, Any], reason: str | None) -> None:
    world = a_world(deployment=a_deployment(spec=merged(SPEC, changes)), versions=(a_version(1),))
    stated = [each.reason for each in quality_checked(world)]
    assert stated == ([] if reason == "not wanted" else [reason or "NotYet"])
    assert next_version_check(world) is None


NOW = datetime(2027, 1, 1, tzinfo=UTC)


def at(minutes: int) -> datetime:
    return NOW + timedelta(minutes=minutes)


def a_check(minutes: int, state: JobState = JobState.FAILED) -> Job:
    labels = {names.ROLE: "version-check", names.MODEL_VERSION: "bike-v2", names.AGAINST: "bike-v1"}
    return Job(f"check-{minutes}", state, labels | {names.SCHEDULED: str(int(at(minutes).timestamp()))})


READY = {"startedAt": as_text(at(-1)), "readyAt": as_text(at(-1))}
SHADOW = {"gateway": {"httpRoute": "bike"}, "shadow": "10m"}


def in_roll_out(approved: int, jobs: tuple[Job, ...] = (), spec: Mapping[str, Any] = {}, **status: Any) -> World:
    """It is midnight of New Year; version 2 was approved so many minutes after that."""
    condition = {"type": "Approved", "status": "True", "reason": "Approved", "message": "", "lastTransitionTime": ""}
    condition["lastTransitionTime"] = as_text(at(approved))
    state = {"phase": "RollingOut", "rollout": READY | {"weight": 50}, "conditions": [condition]} | status
    candidate = a_version(2, status=state, creationTimestamp=as_text(at(-238)))
    deployment = a_deployment(spec=merged(SPEC, spec))
    return a_world(now=NOW, deployment=deployment, versions=(a_version(1), candidate), jobs={j.name: j for j in jobs})


@pytest.mark.parametrize(
    ("world", "due"),
    [
        (in_roll_out(-5), 11),
        (in_roll_out(-16), 0),
        (in_roll_out(-38), -6),
        (in_roll_out(-38, (a_check(-6),)), 2),
        (in_roll_out(-38, (a_check(-14),)), -6),
        (in_roll_out(-38, (a_check(-6),), spec={"rollout": {"watch": "3605s"}}), 2),
        (in_roll_out(-38, (a_check(-14, JobState.RUNNING),)), None),
        (in_roll_out(-38, (a_check(60),)), -6),
        (in_roll_out(60), -6),
        (in_roll_out(-38, spec={"suspend": True}), None),
        (in_roll_out(-38, rollout={"weight": 50, "startedAt": as_text(at(-1))}), None),
        (in_roll_out(-38, spec={"serving": {"replicas": 0}}), None),
        (in_roll_out(-38, spec={"rollout": {"analysis": None}}), None),
        (in_roll_out(-38, spec={"serving": {"runtime": "kserve"}}), -6),
        (in_roll_out(-38, spec={"rollout": SHADOW}, rollout=READY | {"weight": 0}), -3),
        (in_roll_out(-38, rollout=READY | {"weight": 100}), None),
        (in_roll_out(-38, image="trainer:old", contract=5), None),
        (in_roll_out(-38, image="trainer:old", contract=6), -6),
    ],
    ids=[
        "the first",
        "the first is due",
        "one for all that were missed",
        "the next",
        "due after an earlier one",
        "parts are whole seconds",
        "one runs",
        "one has the time of a wrong clock",
        "approved by a wrong clock",
        "suspended",
        "the step is not ready",
        "no replicas",
        "no analysis",
        "KServe",
        "copies of requests",
        "alone",
        "an old image",
        "another image",
    ],
)
def test_checks_are_due_in_equal_distances(world: World, due: int | None) -> None:
    assert next_version_check(world) == (None if due is None else at(due))


def test_name_of_a_check_is_short_enough() -> None:
    name = names.version_check_job(names.version_name("m" * 40, 999_999), NOW)
    assert len(name) == 63
    assert name.endswith("-check-6b36ec80")
