"""What becomes of a check that has ended: a report, a failure, and whether its Job is kept."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from perennial_operator.core import names
from perennial_operator.core.actions import Create, Delete
from perennial_operator.core.api.values import as_text
from perennial_operator.core.manifests.jobs import storage_digest
from perennial_operator.core.manifests.owner import owner_reference
from perennial_operator.core.rules.job_results import JobFailure
from perennial_operator.core.stages.drift_checks import (
    check_jobs,
    failed_check,
    last_check,
    next_check,
    reconcile_checks,
)
from perennial_operator.core.world import Job, JobState, World
from tests.builders import NOON, a_deployment, a_report, a_version, a_world
from tests.simulation.results import REFUSED, checked

CHECK = {"schedule": "*/30 * * * *", "data": {"uri": "s3://bikes/live/*.parquet"}}
LIVE = a_version(1, creationTimestamp="2026-11-23T13:50:00Z")
OURS, EARLIER = "s3://models/perennial/default/bike", "s3://before/default/bike"


def a_check(minutes: int, state: JobState = JobState.SUCCEEDED, folder: str = OURS, answer: Any = None) -> Job:
    """The check that was due so long after noon."""
    labels = {
        names.ROLE: "check",
        names.SCHEDULED: str(int(NOON.timestamp()) + 60 * minutes),
        names.MODEL_VERSION: "bike-v1",
        names.STORAGE: storage_digest(folder),
    }
    return Job(f"bike-check-{minutes}", state, labels, answer=answer or checked())


def checking(*jobs: Job, spec: Any = CHECK, **fields: Any) -> World:
    """It is 14:00; checks are due at each half hour."""
    deployment = a_deployment(spec={"drift": {"check": spec}})
    return a_world(deployment=deployment, versions=(LIVE,), jobs={job.name: job for job in jobs}, **fields)


def done(world: World) -> list[str]:
    """The checks that are started, and the Jobs that are deleted."""
    actions = reconcile_checks(world)
    assert {each.kind for each in actions if isinstance(each, Delete)} <= {"Job"}
    return [
        f"{each.manifest['kind']} {each.manifest['metadata']['name']}"
        if isinstance(each, Create)
        else f"no {each.name}"
        for each in actions
        if isinstance(each, Create | Delete)
    ]


FAILED = a_check(90, JobState.FAILED, answer=REFUSED)
RUNNING = a_check(120, JobState.RUNNING)
DUE = "Job bike-check-202611231400"


@pytest.mark.parametrize(
    ("world", "actions"),
    [
        (checking(), [DUE]),
        (checking(spec=None), []),
        (checking(RUNNING), []),
        (checking(a_check(120)), ["DriftReport bike-check-120"]),
        (checking(a_check(120), reports=(a_report("bike-check-120"),)), ["no bike-check-120"]),
        (checking(replace(FAILED, labels=a_check(120).labels)), []),
        (checking(FAILED), ["no bike-check-90", DUE]),
        (checking(FAILED, RUNNING), ["no bike-check-90"]),
        (checking(a_check(90), RUNNING), ["DriftReport bike-check-90"]),
    ],
    ids=[
        "the first is due",
        "no check",
        "it runs",
        "it succeeded",
        "it is recorded",
        "it failed",
        "it failed and the next is due",
        "it failed and the next runs",
        "an older one succeeded",
    ],
)
def test_job_of_a_check_is_kept_until_it_is_recorded(world: World, actions: list[str]) -> None:
    assert done(world) == actions


def test_report_of_a_check_names_its_version_and_time() -> None:
    job = a_check(120)
    (create,) = reconcile_checks(checking(job))
    assert isinstance(create, Create)
    made = create.manifest
    assert (made["apiVersion"], made["kind"]) == ("perennial.dev/v1alpha1", "DriftReport")
    assert made["metadata"] == {
        "name": job.name,
        "namespace": "default",
        "labels": names.labels("bike", "report") | {names.SCHEDULED: job.labels[names.SCHEDULED]},
        "ownerReferences": [owner_reference(checking())],
    }
    spec = made["spec"]
    assert (spec["modelDeployment"], spec["modelVersion"], spec["source"]) == ("bike", "bike-v1", "perennial")
    assert (spec["samples"], spec["metrics"][0]["name"]) == (1000, "psi")


@pytest.mark.parametrize("label", [names.SCHEDULED, names.MODEL_VERSION])
@pytest.mark.parametrize("value", [None, "", "My_V1"])
def test_check_whose_label_was_edited_gives_no_report(label: str, value: str | None) -> None:
    job = a_check(0)
    labels = {**job.labels, label: value} if value is not None else {k: v for k, v in job.labels.items() if k != label}
    world = checking(replace(job, labels=labels))
    failure = failed_check(world)
    assert failure
    assert (failure.reason, label in failure.message) == ("BadAnswer", True)
    assert done(world) == ["no bike-check-0", "Job bike-check-202611231400"]


@pytest.mark.parametrize(
    ("job", "page", "good"),
    [
        (a_check(120), None, True),
        (a_check(120), f"{OURS}/checks/1.html", True),
        (a_check(120, folder=EARLIER), f"{EARLIER}/checks/1.html", True),
        (a_check(120), f"{EARLIER}/checks/1.html", False),
        (a_check(120, folder=EARLIER), "s3://elsewhere/default/bike/checks/1.html", False),
        (a_check(120), f"{OURS}/../other/1.html", False),
    ],
    ids=["no page", "in the folder", "in that of its task", "in an earlier one", "elsewhere", "above the folder"],
)
def test_page_of_a_check_lies_in_the_folder_of_the_model(job: Job, page: str | None, good: bool) -> None:
    world = checking(replace(job, answer=checked() | ({"details": page} if page else {})))
    failure = failed_check(world)
    assert (failure is None) is good
    if failure:
        assert failure.reason == "BadAnswer"
        assert failure.message.startswith("Job bike-check-120 names ")
        assert done(world) == [], "the Job is kept, and no report is made"


@pytest.mark.parametrize(
    ("jobs", "reason"),
    [((), None), ((FAILED,), "TooFewRows"), ((FAILED, RUNNING), "TooFewRows"), ((FAILED, a_check(120)), None)],
    ids=["no check", "it failed", "the next runs", "the next succeeded"],
)
def test_newest_check_that_ended_says_whether_checks_fail(jobs: Any, reason: str | None) -> None:
    failure = failed_check(checking(*reversed(jobs)))
    assert (failure and failure.reason) == reason
    assert failure is None or isinstance(failure, JobFailure)


def test_only_jobs_of_checks_are_checks() -> None:
    other = Job("bike-v1-train", JobState.FAILED, {names.ROLE: "train"}, answer=REFUSED)
    world = checking(a_check(120), other, FAILED)
    assert [job.name for job in check_jobs(world)] == ["bike-check-90", "bike-check-120"]


def at(minutes: int) -> str:
    return as_text(NOON.replace(hour=12 + minutes // 60, minute=minutes % 60))


@pytest.mark.parametrize(
    ("jobs", "reports", "recorded", "last", "following"),
    [
        ((), (), None, None, 120),
        ((), (), 60, 60, 120),
        ((), (), 120, 120, 150),
        ((), (120,), 60, 120, 150),
        ((a_check(120),), (90,), 60, 120, 150),
        ((), (180,), None, None, 120),
        ((), (None,), None, None, 120),
        ((RUNNING,), (), None, 120, None),
    ],
    ids=["none", "status", "just now", "report", "job", "a wrong clock", "another tool's", "running"],
)
def test_next_check_follows_the_last(jobs: Any, reports: Any, recorded: Any, last: Any, following: Any) -> None:
    labels = [{} if each is None else a_check(each).labels for each in reports]
    made = tuple(a_report(f"r{number}", labels=each) for number, each in enumerate(labels))
    world = checking(*jobs, reports=made)
    status = {"drift": {"lastCheckTime": at(recorded)}} if recorded else {}
    world = replace(world, deployment=a_deployment(spec={"drift": {"check": CHECK}}, status=status))
    assert [each and as_text(each) for each in (last_check(world), next_check(world))] == [
        each and at(each) for each in (last, following)
    ]


def test_no_check_is_due_while_none_serves_or_while_suspended() -> None:
    assert next_check(replace(checking(), versions=())) is None
    assert next_check(a_world(deployment=a_deployment(spec={"drift": None}), versions=(LIVE,))) is None
    suspended = a_deployment(spec={"suspend": True, "drift": {"check": CHECK}})
    assert next_check(a_world(deployment=suspended, versions=(LIVE,))) is None
