"""When a watched version is measured, and what the measurements prove to be wrong."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from perennial_operator.core.actions import Announcement
from perennial_operator.core.api.request_stats import Tally
from perennial_operator.core.rollout.watch import continue_watch, wakes_at
from perennial_operator.core.rollout.watch_faults import fault, measured, sample_is_due
from perennial_operator.core.world import Sample, World
from tests.builders import a_report
from tests.core.test_watch_rules import at, watched

NOW = datetime.fromisoformat("2026-11-23T14:00:00+00:00")
ANALYSED: dict[str, Any] = {"rollout": {"watch": "1h", "analysis": {"interval": "1m"}}}
QUERIED: dict[str, Any] = {
    "rollout": {"watch": "1h", "analysis": {"minRequests": 0, "queries": [{"name": "q", "query": "up", "max": 5}]}}
}
STEADY = {"requests": 0, "pod": "a"}
BEGUN = {"since": at("13:30"), "sampledAt": at("13:59"), "pods": [STEADY, {**STEADY, "pod": "b"}]}


def tally(requests: int = 200, errors: int = 0, each: float = 0.01) -> Tally:
    return Tally(requests=requests, errors=errors, seconds=requests * each, squares=requests * 2 * each**2)


def sampled(ours: Tally | None = None, theirs: Tally | None = None, **fields: Any) -> Sample:
    """What pod a of version 2 and pod b of version 1 have answered."""
    both = {"bike-v2": {"a": ours} if ours else {}, "bike-v1": {"b": theirs} if theirs else {}}
    return Sample({name: pod for name, pod in both.items() if pod}, **fields)


def result_of(world: World, sample: Sample) -> Any:
    assert world.live and world.live.status.watch
    return measured(world, world.live, world.live.status.watch, world.versions[0], sample)


@pytest.mark.parametrize(
    ("spec", "watch", "due", "wakes"),
    [
        ({}, {}, False, []),
        (ANALYSED, {}, True, [-30]),
        (ANALYSED, {"analysis": BEGUN}, True, [0]),
        (ANALYSED, {"analysis": BEGUN | {"sampledAt": at("14:00")}}, False, [1]),
        (ANALYSED, {"since": at("14:05"), "analysis": BEGUN}, False, [5]),
        (ANALYSED, {"since": None}, False, []),
        (ANALYSED, {"reason": "TooSlow"}, False, []),
        (ANALYSED | {"suspend": True}, {}, False, [-30]),
        (ANALYSED | {"serving": {"replicas": 0}}, {}, False, [-30]),
        (ANALYSED | {"serving": {"replicas": 1}}, {}, True, [-30]),
    ],
    ids=[
        "no analysis",
        "the first sample",
        "an interval later",
        "before the interval",
        "a watch that begins again",
        "its clock stands",
        "on the way back",
        "suspended",
        "scaled to 0",
        "one replica",
    ],
)
def test_sample_is_due_at_each_interval_of_the_watch(spec: Any, watch: Any, due: bool, wakes: list[int]) -> None:
    world = watched(spec, **watch)
    assert sample_is_due(world) is due
    if not watch.get("reason"):
        assert list(wakes_at(world))[1:] == [NOW + timedelta(minutes=each) for each in wakes]


def test_no_sample_is_due_without_a_predecessor() -> None:
    assert not sample_is_due(watched(ANALYSED, predecessor="RolledBack"))


FIGURES = "200 requests, {} % failed, {} ms each"


@pytest.mark.parametrize(
    ("spec", "sample", "watch", "wrong"),
    [
        (ANALYSED, sampled(tally(), tally()), {}, None),
        (ANALYSED, sampled(None, tally()), {}, None),
        (ANALYSED, sampled(), {}, None),
        (
            ANALYSED,
            sampled(tally(errors=40), tally()),
            {},
            (
                "TooManyErrors",
                f"{FIGURES.format(20, 10)}; bike-v1 {FIGURES.format(0, 10)}: errors are more than 1 points above that "
                "of bike-v1",
            ),
        ),
        (
            ANALYSED,
            sampled(tally(each=0.05), tally()),
            {},
            (
                "TooSlow",
                f"{FIGURES.format(0, 50)}; bike-v1 {FIGURES.format(0, 10)}: latency is more than 1.5 times that of "
                "bike-v1",
            ),
        ),
        (ANALYSED, sampled(tally(99, errors=99), tally()), {}, None),
        (ANALYSED, sampled(tally(errors=40), tally(99)), {}, None),
        (ANALYSED, sampled(tally(errors=40), tally(100)), {}, ("TooManyErrors", "")),
        (ANALYSED, sampled(tally(100, errors=40), tally()), {}, ("TooManyErrors", "")),
        (
            ANALYSED,
            sampled(tally(errors=40)),
            {"baseline": tally()},
            (
                "ErrorsRose",
                f"{FIGURES.format(20, 10)}; bike-v1 in the roll-out {FIGURES.format(0, 10)}: errors are more than 1 "
                "points above",
            ),
        ),
        (ANALYSED, sampled(tally(errors=40)), {"baseline": tally(errors=40)}, None),
        (ANALYSED, sampled(tally(each=0.05)), {"baseline": tally()}, None),
        (QUERIED, sampled(answers={"q": (7.0,)}), {}, ("QueryBeyondLimit", "query q is 7, above 5")),
        (QUERIED, sampled(tally(errors=200), tally(), answers={"q": (5.0,)}), {}, None),
        (QUERIED, sampled(), {}, None),
    ],
)
def test_a_sample_proves_what_is_wrong(spec: Any, sample: Sample, watch: Any, wrong: tuple[str, str] | None) -> None:
    state = {"analysis": BEGUN, **{name: each.to_api() for name, each in watch.items()}}
    world = watched(spec, **state)
    shown = result_of(world, sample)[1]
    assert (shown and shown[0]) == (wrong and wrong[0])
    if wrong and wrong[1]:
        assert shown == wrong
    action = continue_watch(replace(world, sample=sample))
    assert action
    text = f"bike-v2: {shown[1]}; going back to bike-v1" if shown else ""
    assert action.announce == (Announcement(shown[0], text, warning=True) if shown else None)


def test_recent_requests_count_alone_once_there_are_enough() -> None:
    spans = {"step": {"candidate": {"requests": 9000, "seconds": 90.0}, "live": {"requests": 9000, "seconds": 90.0}}}
    recent = {"recent": {"candidate": {"requests": 60, "errors": 20}, "live": {"requests": 60}}}
    world = watched(ANALYSED, analysis=BEGUN | spans | recent)
    assert result_of(world, sampled(tally(39, 20), tally(39)))[1] is None
    after, wrong = result_of(world, sampled(tally(40, 20), tally(40)))
    assert wrong and wrong[0] == "TooManyErrors" and wrong[1].startswith("100 requests, 40 % failed")
    assert (after.recent.candidate.requests, after.step.candidate.requests) == (0, 9040)
    alone = watched(ANALYSED, analysis=BEGUN | {"recent": {"candidate": {"requests": 60}}})
    assert result_of(alone, sampled(tally(40)))[0].recent.candidate.requests == 0


def test_measurements_add_up() -> None:
    world = watched(ANALYSED, analysis=BEGUN)
    after, wrong = result_of(world, sampled(tally(50, 1), tally(70)))
    assert wrong is None
    assert (after.since, after.sampled_at) == (datetime.fromisoformat("2026-11-23T13:30:00+00:00"), NOW)
    assert (after.step, after.recent) == (after.recent, after.step)
    assert (after.step.candidate.requests, after.step.candidate.errors, after.step.live.requests) == (50, 1, 70)
    assert {each.pod: each.requests for each in after.pods} == {"a": 50, "b": 70}
    first = result_of(watched(ANALYSED), sampled(tally(50), tally(70)))[0]
    assert (first.since, first.step.candidate.requests) == (NOW, 0), "pods count from the first sample on"
    action = continue_watch(replace(world, sample=sampled(tally(50, 1), tally(70))))
    assert action and action.announce is None
    assert action.status["watch"]["analysis"]["step"]["candidate"]["requests"] == 50


@pytest.mark.parametrize(
    "world",
    [
        watched(ANALYSED, analysis=BEGUN),
        replace(watched(ANALYSED, analysis=BEGUN | {"sampledAt": at("14:00")}), sample=sampled(tally(), tally())),
    ],
    ids=["no sample", "not due"],
)
def test_nothing_is_written_without_a_measurement(world: World) -> None:
    assert continue_watch(world) is None


# ---- drift reports


LIMITS = {"thresholds": [{"metric": "psi", "max": 0.2}, {"metric": "mse", "maxIncrease": 0.1}]}


@pytest.mark.parametrize(
    ("report", "watch", "is_fault"),
    [
        ({}, {}, True),
        ({"about": "bike-v1"}, {}, False),
        ({"outcome": "WithinThresholds"}, {}, False),
        ({"value": 110.0}, {}, False),
        ({"name": "psi", "value": 0.9}, {}, False),
        ({"created": at("13:29")}, {}, False),
        ({"created": at("13:30")}, {}, True),
        ({"created": at("13:29")}, {"since": at("13:20")}, True),
        ({"created": at("13:45")}, {"since": at("13:50")}, True),
        ({"drift": None}, {}, False),
    ],
    ids=[
        "a breach",
        "about another version",
        "no breach",
        "at its limit",
        "not of quality",
        "before the promotion",
        "at the promotion",
        "after a wrong clock",
        "a watch that began again",
        "no limit any longer",
    ],
)
def test_breach_of_quality_since_the_promotion_is_a_fault(report: Any, watch: Any, is_fault: bool) -> None:
    spec = {"metrics": [{"name": report.get("name", "mse"), "value": report.get("value", 111.0)}]}
    status = {"outcome": report.get("outcome", "CoolingDown"), "modelVersion": report.get("about", "bike-v2")}
    created = report.get("created", at("13:45"))
    made = a_report("r", spec=spec, status=status | {"message": "mse is bad"}, creationTimestamp=created)
    world = replace(watched({"drift": report.get("drift", LIMITS)}, **watch), reports=(made,))
    assert world.live and world.live.status.watch
    wrong = ("QualityBreach", "report r: mse is bad") if is_fault else None
    assert fault(world, world.live, world.live.status.watch) == wrong
