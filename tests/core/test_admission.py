"""May a candidate be started now, and if not, why and until when?"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from perennial_operator.core import names
from perennial_operator.core.api.drift_report import Outcome
from perennial_operator.core.rules.trainings.admission import Deferral, deferral_for
from perennial_operator.core.rules.trainings.failures import surroundings_of
from perennial_operator.core.rules.trainings.refused_files import files_in_task
from perennial_operator.core.world import Fleet
from tests.builders import NOON, a_deployment, a_report, a_version, a_world

LIVE = a_version(1, creationTimestamp="2026-11-20T12:00:00Z")
HERE = surroundings_of(a_deployment().spec)
ASK = (
    "annotate the ModelDeployment with perennial.dev/retrain-requested-at=<time>, or change spec.model, spec.data or "
    "spec.training"
)
AT_ONCE = f"to start one at once, run kubectl perennial retrain bike, or {ASK}"


def at(clock: str) -> datetime:
    return datetime.fromisoformat(f"2026-11-{clock}+00:00")


def ended(number: int, phase: str, reason: str, time: str, **status: Any) -> Any:
    """A version that ended at that time of the day of NOON, because of its surroundings unless others are given."""
    return a_version(number, phase, status={"reason": reason, "endedAt": f"2026-11-23T{time}Z", **status})


def stopped(number: int, time: str, reason: str = "StorageUnreachable") -> Any:
    return ended(number, "Failed", reason, time, surroundings=HERE)


def unless(what: str) -> str:
    return f"unless {what}spec.serving or spec.storage changes; {AT_ONCE}"


STORE_FAILED_TWICE = Deferral(
    Outcome.BACKING_OFF,
    "2 consecutive candidates, the last bike-v3, failed because of its surroundings (StorageUnreachable) at 13:00:00; "
    "no new candidate before 2026-11-23 15:00:00 UTC, " + unless("a check or an entry of the ledger succeeds, or "),
    at("23 15:00"),
)
CASES: dict[str, tuple[dict[str, Any], dict[str, Any], Deferral | None]] = {
    "nothing": ({}, {"versions": (LIVE,)}, None),
    "suspended": ({"suspend": True, "pin": "bike-v1"}, {}, Deferral(Outcome.SUSPENDED, "spec.suspend is true")),
    "pinned": ({"pin": "bike-v1"}, {"versions": (LIVE,)}, Deferral(Outcome.PINNED, "spec.pin is bike-v1")),
    "busy": (
        {},
        {"versions": (LIVE, a_version(2, "Validating"))},
        Deferral(Outcome.BUSY, "bike-v2 is in progress"),
    ),
    "replaced": (
        {},
        {"versions": (LIVE, a_version(2, creationTimestamp="2026-11-22T12:00:00Z"))},
        Deferral(Outcome.BUSY, "bike-v1 is being replaced"),
    ),
    "rejected by a person": (
        {},
        {"versions": (ended(1, "Rejected", "RejectedByPerson", "12:00:00", message="rejected by ann"),)},
        Deferral(
            Outcome.STALLED, f"bike-v1 was rejected by ann; to train another version, {ASK}", cause="RejectedByPerson"
        ),
    ),
    "cool-down": (
        {},
        {"versions": (LIVE, ended(2, "Superseded", "NoNewRows", "13:30:00"))},
        Deferral(
            Outcome.COOLING_DOWN,
            f"bike-v2 ended at 13:30:00; no new candidate before 2026-11-23 14:30:00 UTC; {AT_ONCE}",
            at("23 14:30"),
        ),
    ),
    "cool-down that is over": ({}, {"versions": (LIVE, ended(2, "Superseded", "NoNewRows", "13:00:00"))}, None),
    "several failures": (
        {"training": {"maxRejections": 2}},
        {
            "versions": (
                LIVE,
                *(
                    a_version(number, "Failed", {"training": {"maxRejections": 2}}, {"reason": "JobFailed"})
                    for number in (2, 3)
                ),
            )
        },
        Deferral(
            Outcome.STALLED,
            f"2 consecutive candidates failed or were rejected, the last bike-v3 (Failed); fix the cause and {ASK}",
            cause="TooManyRejections",
        ),
    ),
    "two rejections": (
        {},
        {"versions": (LIVE, *(ended(number, "Rejected", "WorseThanLive", "13:00:00") for number in (2, 3)))},
        Deferral(
            Outcome.BACKING_OFF,
            "2 consecutive candidates failed or were rejected, the last bike-v3 at 13:00:00; no new candidate before "
            "2026-11-23 15:00:00 UTC, unless reports cover 200 rows newer than 2026-11-23 12:00:00; " + AT_ONCE,
            at("23 15:00"),
        ),
    ),
    "two failures of the store": (
        {},
        {"versions": (LIVE, stopped(2, "12:30:00"), stopped(3, "13:00:00"))},
        STORE_FAILED_TWICE,
    ),
    "two failures of the store, and a check of a clock that was ahead": (
        {},
        {
            "versions": (LIVE, stopped(2, "12:30:00"), stopped(3, "13:00:00")),
            "reports": (a_report(creationTimestamp="2032-01-01T00:00:00Z", labels={names.SCHEDULED: "1764000000"}),),
        },
        STORE_FAILED_TWICE,
    ),
    "two failures of the cluster": (
        {},
        {"versions": (LIVE, stopped(2, "12:30:00", "NoWorkers"), stopped(3, "13:00:00", "NoWorkers"))},
        Deferral(
            Outcome.BACKING_OFF,
            "2 consecutive candidates, the last bike-v3, failed because of its surroundings (NoWorkers) at 13:00:00; "
            "no new candidate before 2026-11-23 15:00:00 UTC, " + unless(""),
            at("23 15:00"),
        ),
    ),
    "one failure of the store": (
        {},
        {"versions": (LIVE, stopped(2, "13:30:00"))},
        Deferral(
            Outcome.COOLING_DOWN,
            f"bike-v2 ended at 13:30:00; no new candidate before 2026-11-23 14:30:00 UTC; {AT_ONCE}",
            at("23 14:30"),
        ),
    ),
    "files that were refused": (
        {},
        {
            "versions": (ended(1, "Failed", "TooFewRows", "13:50:00", refusedFiles="f" * 64),),
            "now": NOON + timedelta(hours=1, minutes=50),
        },
        Deferral(
            Outcome.COOLING_DOWN,
            f"a training looks at 2026-11-23 13:51:00 UTC whether its files have changed; {AT_ONCE}",
            at("23 13:51"),
        ),
    ),
    "budget spent for longer than a pause": (
        {},
        {
            "versions": (ended(1, "Failed", "TooFewRows", "13:50:00", refusedFiles="f" * 64),),
            "now": NOON + timedelta(hours=1, minutes=50),
            "fleet": Fleet(begun=1000, oldest_begun=NOON),
        },
        Deferral(
            Outcome.BUDGET_SPENT,
            "1000 trainings began in namespace default within a day, and the operator's PERENNIAL_TRAININGS_PER_DAY "
            "allows 1000; the next begins at 2026-11-24 12:00:00 UTC, or when the administrator raises it",
            at("24 12:00"),
        ),
    ),
    "budget spent for less than a pause": (
        {},
        {
            "versions": (LIVE, ended(2, "Superseded", "NoNewRows", "13:30:00")),
            "fleet": Fleet(begun=1000, oldest_begun=at("22 14:10")),
        },
        Deferral(
            Outcome.COOLING_DOWN,
            f"bike-v2 ended at 13:30:00; no new candidate before 2026-11-23 14:30:00 UTC; {AT_ONCE}",
            at("23 14:30"),
        ),
    ),
    "fleet": ({}, {"fleet": Fleet(trainings=9), "versions": (LIVE,)}, None),
    "blocked fleet": ({}, {"fleet": Fleet(blocked=9), "versions": (LIVE,)}, None),
}


@pytest.mark.parametrize(("spec", "world", "deferral"), CASES.values(), ids=CASES)
def test_every_deferral_says_why_and_until_when(spec: Any, world: Any, deferral: Deferral | None) -> None:
    assert deferral_for(a_world(deployment=a_deployment(spec=spec), **world), "Initial") == deferral


@pytest.mark.parametrize("case", ["rejected by a person", "cool-down", "several failures", "two failures of the store"])
def test_a_person_ignores_pauses_and_stalls(case: str) -> None:
    spec, world, deferral = CASES[case]
    assert deferral
    assert deferral_for(a_world(deployment=a_deployment(spec=spec), **world), "Request", asked=True) is None


def test_drift_does_not_wait_for_a_person_who_rejected() -> None:
    spec, world, _ = CASES["rejected by a person"]
    assert deferral_for(a_world(deployment=a_deployment(spec=spec), **world), "Drift") is None


RECORDED = {"type": "Recorded", "status": "True", "reason": "Recorded", "message": "written"}


def recorded(time: str, status: str = "True") -> Any:
    condition = RECORDED | {"status": status, "lastTransitionTime": f"2026-11-23T{time}Z"}
    return a_version(1, status={"conditions": [condition]}, creationTimestamp="2026-11-20T12:00:00Z")


def check(time: str, scheduled: bool = True) -> Any:
    labels = {names.SCHEDULED: "1795431600"} if scheduled else {}
    return a_report(
        "check", 0.1, status={"outcome": "WithinThresholds"}, creationTimestamp=f"2026-11-23T{time}Z", labels=labels
    )


@pytest.mark.parametrize(
    ("live", "reports", "reason", "answered"),
    [
        (recorded("13:30:00"), (), "StorageNotWritable", True),
        (recorded("12:30:00"), (), "StorageUnreachable", False),
        (recorded("13:30:00", "False"), (), "StorageUnreachable", False),
        (recorded("13:30:00"), (), "NoWorkers", False),
        (LIVE, (check("13:30:00"),), "DataUnreachable", True),
        (LIVE, (check("13:30:00"),), "StorageNotWritable", False),
        (LIVE, (check("12:30:00"),), "StorageUnreachable", False),
        (LIVE, (check("13:30:00", scheduled=False),), "StorageUnreachable", False),
    ],
)
def test_store_that_answers_another_job_ends_the_pause(live: Any, reports: Any, reason: str, answered: bool) -> None:
    versions = (live, stopped(2, "12:00:00", reason), stopped(3, "13:00:00", reason))
    assert (deferral_for(a_world(versions=versions, reports=reports), "Drift") is None) is answered


@pytest.mark.parametrize(
    ("pod", "image", "named"),
    [
        ({}, "perennial-trainer", True),
        ({}, "trainer:1", False),
        ({"image": "trainer:1"}, "trainer:1", True),
        ({"image": "trainer:1"}, "perennial-trainer", False),
    ],
)
def test_task_names_files_that_this_image_refused(pod: dict[str, str], image: str, named: bool) -> None:
    spec = {"training": {"pod": pod}}
    refused = a_version(1, "Failed", spec, {"reason": "TooFewRows", "refusedFiles": "f" * 64, "image": image})
    version = a_version(2, "Training", spec)
    world = a_world(deployment=a_deployment(spec=spec), versions=(refused, version))
    files = {"refusedFiles": {"name": "bike-v1", "sha256": "f" * 64}}
    assert files_in_task(world, version) == (files if named else {})
