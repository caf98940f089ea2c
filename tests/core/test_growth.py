"""A model is trained again when its rows have grown, as its checks count them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from perennial_operator.core.api.drift_report import Outcome
from perennial_operator.core.drift_reports import Report
from perennial_operator.core.manifests.train_job import train_manifest
from perennial_operator.core.names import NEVER, SCHEDULED
from perennial_operator.core.rules.trainings.new_rows import newest_check_rows, rows_since
from perennial_operator.core.stages.training import trigger_of
from perennial_operator.core.world import World
from tests.builders import a_deployment, a_report, a_version, a_world, task_of

END = "2026-11-23T12:00:00Z"
OLD = "2026-11-23T10:30:00Z"


def a_check_of(hour: int, samples: int, outcome: str = "WithinThresholds", begin: int | None = None) -> Report:
    """A report of the hour that ends at `hour`, or of the time since `begin`."""
    start, end = (
        f"2026-11-23T{each:02}:{minute:02}:00Z"
        for each, minute in ((hour - 1 if begin is None else begin, 1), (hour, 0))
    )
    status = {"outcome": outcome, "modelVersion": "bike-v1"}
    labels = {SCHEDULED: "1764000000"}
    spec = {"samples": samples, "window": {"start": start, "end": end}}
    return a_report(f"report-{hour}-{samples}", spec=spec, status=status, creationTimestamp=end, labels=labels)


def a_grown(
    *reports: Report,
    history: int | None = 1000,
    growth: float | None = None,
    end: str | None = END,
    made: str = END,
    **spec: Any,
) -> World:
    training = {} if growth is None else {"growth": growth}
    data = {**({"end": end} if end else {}), **({"historyRows": history} if history else {})}
    status = {"data": data, "contract": 4, "image": "t"}
    live = a_version(status=status, spec={"data": {"timeColumn": "at"}}, creationTimestamp=made)
    deployment = a_deployment(spec={"training": training, "data": {"timeColumn": "at"}, **spec})
    return a_world(deployment=deployment, versions=(live,), reports=reports)


def of_one_time(samples: int) -> Report:
    return replace(a_check_of(13, samples), starts_at=a_check_of(13, samples).measured_at)


LATE = (a_check_of(12, 30), a_check_of(13, 30), a_check_of(14, 30))
TWICE = (a_check_of(13, 130), a_check_of(14, 130))


@pytest.mark.parametrize(
    ("world", "grown"),
    [
        pytest.param(a_grown(*TWICE), True, id="a quarter more"),
        pytest.param(a_grown(a_check_of(13, 120), a_check_of(14, 120)), False, id="less than a quarter more"),
        pytest.param(a_grown(a_check_of(14, 1000)), False, id="one check"),
        pytest.param(a_grown(a_check_of(11, 900), a_check_of(12, 900), a_check_of(13, 200)), False, id="known rows"),
        pytest.param(a_grown(a_check_of(13, 200), a_check_of(14, 200, begin=12)), False, id="the same rows twice"),
        pytest.param(a_grown(a_check_of(13, 200), a_check_of(14, 200, "BadData")), False, id="bad rows"),
        pytest.param(a_grown(*TWICE, growth=0.5), False, id="another share"),
        pytest.param(a_grown(*TWICE, growth=0.26), True, id="just so much"),
        pytest.param(a_grown(*TWICE, end=None), False, id="no time is known"),
        pytest.param(a_grown(*TWICE, end="2027-01-01T00:00:00Z"), False, id="a time that cannot be"),
        pytest.param(a_grown(*TWICE, end="2026-11-23T12:30:00Z"), False, id="a part of the first was known"),
        pytest.param(a_grown(*TWICE, made="2026-11-23T13:30:00Z"), False, id="a part of the first may have been read"),
        pytest.param(a_grown(*TWICE, made="2026-11-23T20:00:00Z"), True, id="made while the clock was ahead"),
        pytest.param(a_grown(*TWICE, growth=0), False, id="turned off"),
        pytest.param(a_grown(*LATE, end=OLD), True, id="a twentieth, where labels are late"),
        pytest.param(a_grown(*LATE, end="2026-11-23T10:35:00Z"), False, id="labels as old as the rows of a check"),
        pytest.param(a_grown(*LATE, end=OLD, growth=0.5), False, id="another share, labels are late"),
        pytest.param(a_grown(LATE[0], a_check_of(13, 60), end=OLD), True, id="one check, where labels are late"),
        pytest.param(a_grown(*LATE[1:], end=OLD), True, id="the first check begins later, and by the clock"),
        pytest.param(a_grown(*LATE[1:], end=OLD, made=OLD), False, id="the first check begins later: a pause"),
        pytest.param(a_grown(of_one_time(60), end=OLD), False, id="rows of one time: a day"),
        pytest.param(
            a_grown(of_one_time(60), end="2026-11-21T23:00:00Z"), True, id="rows of one time, labels are late"
        ),
        pytest.param(a_grown(*LATE[1:], end="2026-11-23T11:30:00Z"), False, id="the first check begins a bit later"),
        pytest.param(
            a_grown(*TWICE, history=None), False, id="a version of an older trainer: an upgrade trains nothing"
        ),
    ],
)
def test_rows_that_have_grown_start_a_training(world: World, grown: bool) -> None:
    trigger = trigger_of(world)
    assert (trigger.reason if trigger else None) == ("Growth" if grown else None)


@pytest.mark.parametrize(
    ("end", "phase", "status", "wanted"),
    [
        (END, "Superseded", {"reason": "NoNewRows"}, None),
        (OLD, "Superseded", {"reason": "NoNewRows"}, None),
        (END, "Rejected", {"reason": "WorseThanLive"}, "Growth"),
        (OLD, "Rejected", {"reason": "WorseThanLive"}, None),
        (OLD, "Failed", {"reason": "ArtifactMissing", "surroundings": "0" * 16}, "Growth"),
    ],
    ids=["none was new", "none had a label", "refused", "refused, labels are late", "stopped by its surroundings"],
)
def test_rows_that_a_training_has_read_do_not_count_again(
    end: str, phase: str, status: dict[str, Any], wanted: str | None
) -> None:
    """Where labels come late, the rows that were measured are not known to a training yet."""
    at = {"endedAt": "2026-11-23T13:30:00Z"}
    earlier = a_version(
        2, phase, {"trigger": {"reason": "Growth"}}, status | at, creationTimestamp="2026-11-23T13:30:00Z"
    )
    before = (LATE[0], *TWICE)
    again = (*before, a_check_of(15, 130), a_check_of(16, 130))
    for reports, reason in ((before, wanted), (again, "Growth")):
        world = a_grown(*reports, end=end)
        now = {"now": datetime(2026, 11, 23, 17, tzinfo=UTC)}
        world = a_world(deployment=world.deployment, versions=(*world.versions, earlier), reports=reports, **now)
        trigger = trigger_of(world)
        assert (trigger.reason if trigger else None) == reason


@pytest.mark.parametrize(
    ("trigger", "checks", "wanted"), [("Growth", 0, True), ("Drift", 1, False), ("Drift", 2, True)]
)
def test_growth_waits_after_a_refused_candidate_of_drift(trigger: str, checks: int, wanted: bool) -> None:
    """A candidate of growth proves less, so it waits for two more checks, whatever drift itself asks for."""
    status = {"reason": "NotProvenBetter", "endedAt": "2026-11-23T14:00:00Z"}
    refused = a_version(
        2, "Rejected", {"trigger": {"reason": trigger}}, status, creationTimestamp="2026-11-23T14:00:00Z"
    )
    reports = (*TWICE, *(a_check_of(15 + each, 130) for each in range(checks)))
    world = a_grown(*reports)
    now = {"now": datetime(2026, 11, 23, 17, tzinfo=UTC)}
    world = a_world(deployment=world.deployment, versions=(*world.versions, refused), reports=reports, **now)
    started = trigger_of(world)
    assert (started.reason if started else None) == ("Growth" if wanted else None)


def test_message_of_growth_names_the_rows_and_the_field() -> None:
    trigger = trigger_of(a_grown(*TWICE))
    assert trigger
    assert trigger.message == (
        "checks have measured 260 rows newer than those of bike-v1, which was made from 1000; spec.training.growth is 0.25"
    )
    late = trigger_of(a_grown(LATE[0], *TWICE, end="2026-11-23T09:00:00Z"))
    assert late and late.message.endswith("; spec.training.growth is 0.25, and 0.05 where labels come late")


@pytest.mark.parametrize(
    ("world", "rows"),
    [
        (a_grown(*TWICE), 130),
        (a_grown(a_check_of(13, 20)), 100),
        (a_grown(), None),
        (a_grown(a_check_of(13, 500), a_check_of(14, 400, "BadData")), 500),
    ],
    ids=["of the newest check", "but not too few", "no check yet", "not of bad data"],
)
def test_a_candidate_is_proven_on_the_rows_of_a_check(world: World, rows: int | None) -> None:
    candidate = a_version(2, "Training", spec={"data": {"timeColumn": "at"}, "trigger": {"reason": "Growth"}})
    world = a_world(deployment=world.deployment, versions=(*world.versions, candidate), reports=world.reports)
    assert task_of(train_manifest(world, candidate))["data"].get("holdoutRows") == rows


@pytest.mark.parametrize(
    ("end", "contract", "blend"),
    [(OLD, 5, "whole"), (END, 5, "fits"), (OLD, 4, "fits")],
    ids=["labels are late", "labels are known", "a trainer that does not know it"],
)
def test_whole_history_comes_first_where_labels_are_late(end: str, contract: int, blend: str) -> None:
    spec = {"data": {"timeColumn": "at"}, "trigger": {"reason": "Growth"}}
    candidate = a_version(2, "Training", spec, {"contract": contract, "image": "t"})
    world = a_grown(*LATE, end=end)
    world = a_world(deployment=world.deployment, versions=(*world.versions, candidate), reports=world.reports)
    assert task_of(train_manifest(world, candidate))["blend"] == blend


@pytest.mark.parametrize(
    ("reports", "since", "rows"),
    [
        ((), 12, 0),
        (TWICE, 12, 260),
        (TWICE, 13, 130),
        (TWICE, 14, 0),
        ((a_check_of(13, 20), a_check_of(13, 90)), 12, 90),
        ((a_check_of(14, 50, "Invalid"), a_check_of(13, 20, "TooFewSamples")), 12, 20),
        ((a_report("r", spec={"samples": 500}),), 0, 0),
        ((of_one_time(20), of_one_time(90)), 12, 90),
        ((of_one_time(20),), 13, 0),
    ],
    ids=["none", "both", "the later", "no later", "twice the same hour", "not of invalid ones", "without a window"]
    + ["rows of one time, twice", "rows of a time that is known"],
)
def test_rows_are_counted_once(reports: tuple[Report, ...], since: int, rows: int) -> None:
    assert rows_since(a_grown(*reports), datetime(2026, 11, 23, since, tzinfo=UTC)) == rows


@pytest.mark.parametrize(
    ("report", "rows"),
    [
        ({}, 300),
        ({"about": "bike-v2"}, 300),
        ({"scheduled_at": NEVER}, 100),
        ({"outcome": None}, 100),
        ({"outcome": None, "name": "report-of-the-trigger"}, 300),
        ({"outcome": Outcome.INVALID}, 100),
    ],
    ids=["a check", "of another version", "of another tool", "not judged yet", "starts the training", "invalid"],
)
def test_newest_usable_check_counts(report: dict[str, Any], rows: int) -> None:
    world = a_grown(a_check_of(13, 100), replace(a_check_of(14, 300), **report))
    trigger = {"reason": "Drift", "driftReport": "report-of-the-trigger"}
    candidate = a_version(2, "Training", spec={"data": {"timeColumn": "at"}, "trigger": trigger})
    world = a_world(deployment=world.deployment, versions=(*world.versions, candidate), reports=world.reports)
    assert newest_check_rows(world) == rows
