"""The steps of a roll-out by themselves: which follow, how long they last, what they say, and how a roll-out ends."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from perennial_operator.core.api.model_version import RolloutState
from perennial_operator.core.rollout.steps import (
    hold_of,
    keep_unready,
    next_weight,
    promote,
    ready_deadline,
    replicas_of,
    roll_back_unready,
    start_step,
    step_message,
)
from perennial_operator.core.world import Serving, World
from tests.builders import NOON, a_deployment, a_version, a_world

NOW = NOON.replace(hour=14)
LIVE = a_version(1)
CANDIDATE = a_version(2, "RollingOut")
ROLLOUT = {"steps": [{"weight": 25, "hold": "5m"}, {"weight": 50}], "timeout": "15m", "shadow": "10m"}
ROUTE = {"rollout": {**ROLLOUT, "gateway": {"httpRoute": "bike"}}}


def rolling(live: bool = True, spec: Any = (), **fields: Any) -> World:
    versions = (LIVE, CANDIDATE) if live else (CANDIDATE,)
    deployment = a_deployment(spec={"rollout": ROLLOUT, "serving": {"replicas": 4}, **dict(spec)})
    return a_world(deployment=deployment, versions=versions, **fields)


@pytest.mark.parametrize(("live", "weights"), [(True, [25, 50, 100, 100]), (False, [100, 100])])
def test_weights_follow_each_other(live: bool, weights: list[int]) -> None:
    world, seen = rolling(live), [0]
    while len(seen) <= len(weights):
        seen.append(next_weight(world, seen[-1]))
    assert seen[1:] == weights


@pytest.mark.parametrize(
    ("spec", "state", "minutes"),
    [
        ({}, {"weight": 25}, 5),
        ({}, {"weight": 25, "elapsed": 60.0}, 4),
        ({}, {"weight": 50}, 0),
        ({}, {"weight": 30}, 0),
        ({}, {"weight": 100}, 0),
        ({}, {"weight": 0}, 0),
        (ROUTE, {"weight": 0}, 10),
        (ROUTE, {"weight": 0, "elapsed": 60.0}, 9),
    ],
)
def test_hold_is_that_of_the_step_less_what_passed(spec: Any, state: Any, minutes: int) -> None:
    assert hold_of(rolling(spec=spec), RolloutState.model_validate(state)) == timedelta(minutes=minutes)


@pytest.mark.parametrize(
    ("state", "analysis", "minutes"),
    [
        ({"weight": 25}, None, 15),
        ({"weight": 25, "faltered": True}, None, 20),
        ({"weight": 50, "faltered": True}, None, 15),
        ({"weight": 25, "faltered": True}, {"limit": "30m"}, 50),
        ({"weight": 25}, {"limit": "30m"}, 15),
    ],
)
def test_replicas_have_the_timeout_and_after_a_fault_the_hold(state: Any, analysis: Any, minutes: int) -> None:
    rollout = {**ROLLOUT, **({"analysis": analysis} if analysis else {})}
    world = rolling(spec={"rollout": rollout})
    assert ready_deadline(world, RolloutState.model_validate(state), NOW) == NOW + timedelta(minutes=minutes)


@pytest.mark.parametrize(
    ("live", "spec", "weight", "message"),
    [
        (True, {}, 25, "weight 25 %: 1 replica beside 3 of bike-v1"),
        (True, {}, 50, "weight 50 %: 2 replicas beside 2 of bike-v1"),
        (True, {}, 100, "weight 100 %: 4 replicas"),
        (False, {}, 100, "weight 100 %: 4 replicas"),
        (False, ROUTE, 100, "weight 100 %: 4 replicas"),
        (True, ROUTE, 25, "weight 25 % of the requests by HTTPRoute bike: 1 replica beside 4 of bike-v1"),
        (
            True,
            ROUTE,
            0,
            "shadow: it answers a copy of the requests by HTTPRoute bike, and its answers are discarded: 4 replicas "
            "beside 4 of bike-v1",
        ),
    ],
)
def test_message_of_a_step_names_share_and_replicas(live: bool, spec: Any, weight: int, message: str) -> None:
    world = rolling(live, spec)
    assert step_message(world, weight) == message
    assert replicas_of(world, RolloutState(weight=weight)) == int(message.split(": ")[-1].split()[0])


def test_step_begins_now_with_its_message() -> None:
    state = RolloutState(weight=25, elapsed=9.0)
    action = start_step(rolling(), CANDIDATE, state)
    assert (action.status["phase"], action.status["reason"]) == ("RollingOut", "RollingOut")
    assert action.status["message"] == "weight 25 %: 1 replica beside 3 of bike-v1"
    assert RolloutState.model_validate(action.status["rollout"]) == state.model_copy(update={"started_at": NOW})
    assert [(each["type"], each["status"]) for each in action.status["conditions"]] == [("RolledOut", "Unknown")]


@pytest.mark.parametrize(
    ("since", "live", "expected"),
    [
        ("2026-11-23T12:00:00Z", True, NOW),
        ("2026-11-23T14:00:00Z", True, NOW + timedelta(seconds=1)),
        ("2026-11-23T15:00:00Z", True, NOW + timedelta(hours=1, seconds=1)),
        ("", False, NOW),
    ],
)
def test_promoted_version_is_the_last_whatever_the_clock(since: str, live: bool, expected: Any) -> None:
    world = rolling(live)
    if live:
        before = a_version(1, status={"liveSince": since})
        world = replace(world, versions=(before, CANDIDATE))
    candidate = a_version(2, "RollingOut", status={"rollout": {"weight": 100}, "endedAt": "2026-11-23T12:00:00Z"})
    status = promote(world, candidate, "RolledOut", "serves").status
    assert (status["phase"], status["reason"], status["message"]) == ("Live", "RolledOut", "serves")
    assert status["liveSince"].replace(".000000", "") == expected.isoformat().replace("+00:00", "Z")
    assert not {"rollout", "endedAt", "watch"} & status.keys()
    assert [(each["type"], each["status"]) for each in status["conditions"]] == [("RolledOut", "True")]


@pytest.mark.parametrize(("reason", "watched"), [("RolledOut", True), ("Pinned", False)])
def test_only_a_roll_out_begins_a_watch(reason: str, watched: bool) -> None:
    world = rolling(spec={"rollout": {**ROLLOUT, "watch": "1h"}})
    assert ("watch" in promote(world, CANDIDATE, reason, "serves").status) is watched


def pods(count: int, trouble: str = "") -> dict[str, Serving]:
    return {"bike-v2": Serving("bike-v2", {}, 4, count, count, 4, trouble=trouble)}


LATE = "replicas were ready after spec.rollout.timeout 15m"


@pytest.mark.parametrize(
    ("world", "weight", "message"),
    [
        (rolling(), 50, f"0 of 2 {LATE}"),
        (rolling(serving=pods(1)), 50, f"1 of 2 {LATE}"),
        (rolling(serving=pods(1, "no node")), 50, f"1 of 2 {LATE}: no node"),
        (rolling(False, serving=pods(4, "no node")), 100, f"4 of 4 {LATE}: no node"),
        (
            rolling(spec=ROUTE, serving=pods(2, "no node")),
            50,
            f"2 of 2 {LATE}, but HTTPRoute bike did not route 50 % of the requests to them, the rest to bike-v1",
        ),
    ],
)
def test_roll_back_says_what_was_not_ready(world: World, weight: int, message: str) -> None:
    status = roll_back_unready(world, CANDIDATE, RolloutState(weight=weight)).status
    assert (status["phase"], status["reason"], status["message"]) == ("RolledBack", "NotReady", message)
    assert "rollout" not in status
    assert [(each["type"], each["status"]) for each in status["conditions"]] == [("RolledOut", "False")]


def test_first_version_keeps_its_pods_and_says_so_once() -> None:
    state = {"weight": 100, "startedAt": "2026-11-23T13:00:00Z"}
    first = a_version(1, "RollingOut", status={"rollout": state})
    action = keep_unready(rolling(False), first)
    assert action
    assert (action.status["phase"], action.status["reason"]) == ("RollingOut", "NotReady")
    assert action.status["message"].startswith("its replicas were not ready after spec.rollout.timeout 15m; no version")
    assert action.status["rollout"]["weight"] == 100
    assert [(each["type"], each["status"]) for each in action.status["conditions"]] == [("RolledOut", "Unknown")]
    assert keep_unready(rolling(False), a_version(1, "RollingOut", status=action.status)) is None
