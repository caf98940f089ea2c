"""One pass of the watch: what is written, announced and waited for, in each state of the two versions."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from perennial_operator.core.actions import Announcement
from perennial_operator.core.rollout.watch import continue_watch, leave, wakes_at, watching
from perennial_operator.core.rollout.watch_faults import fault
from perennial_operator.core.traffic.runtime import Blocker
from perennial_operator.core.world import Serving, World
from tests.builders import a_deployment, a_version, a_world

NOW = datetime.fromisoformat("2026-11-23T14:00:00+00:00")
ENDS = "; spec.rollout.watch 0s ends the watch at once"


def pods(name: str, answering: int, **fields: Any) -> Serving:
    return Serving(name, {}, 2, answering, answering, 2, **fields)


def at(clock: str) -> str:
    return f"2026-11-23T{clock}:00Z"


def watched(
    spec: dict[str, Any] | None = None, predecessor: str = "Superseded", serving: Any = None, **watch: Any
) -> World:
    """Version 2 went live at 13:30 in place of version 1; both have their two pods. It is 14:00."""
    state = {"predecessor": "bike-v1", "replicas": 2, "since": at("13:30"), **watch}
    live = a_version(2, status={"liveSince": at("13:30"), "watch": state})
    serving = {each.name: each for each in serving or (pods("bike-v1", 2), pods("bike-v2", 2))}
    rollout = {"watch": "1h", "timeout": "10m"}
    deployment = a_deployment(spec={"rollout": rollout, **(spec or {})})
    return a_world(deployment=deployment, versions=(a_version(1, predecessor), live), serving=serving)


@pytest.mark.parametrize(
    ("world", "announcement"),
    [
        (
            watched(since=at("13:00")),
            Announcement("Watched", "bike-v2: it was watched for 1h, and nothing was wrong; bike-v1 is scaled down"),
        ),
        (
            watched(elapsed=1800.0),
            Announcement("Watched", "bike-v2: it was watched for 1h, and nothing was wrong; bike-v1 is scaled down"),
        ),
        (
            watched(predecessor="RolledBack"),
            Announcement(
                "Watched",
                "bike-v2: it is not watched any longer: spec.pin, spec.rollout.watch or the end of bike-v1",
            ),
        ),
        (
            watched(since=at("13:50"), reason="TooSlow", serving=(pods("bike-v1", 1, trouble="no node"),)),
            Announcement(
                "NotReady",
                "bike-v1 was not ready after spec.rollout.timeout 10m: no node; bike-v2 stays live",
                warning=True,
            ),
        ),
        (
            watched(since=at("13:50"), reason="TooSlow", serving=(pods("bike-v2", 2),)),
            Announcement(
                "NotReady", "bike-v1 was not ready after spec.rollout.timeout 10m; bike-v2 stays live", warning=True
            ),
        ),
    ],
)
def test_a_watch_ends_with_an_announcement(world: World, announcement: Announcement) -> None:
    action = continue_watch(world)
    assert action
    assert (action.kind, action.name, action.announce) == ("ModelVersion", "bike-v2", announcement)
    assert action.resource_version == "1"
    assert action.status["phase"] == "Live"
    assert "watch" not in action.status


@pytest.mark.parametrize(
    ("world", "changes"),
    [
        (watched(spec={"suspend": True}), {"since": None, "elapsed": 1800.0}),
        (watched(spec={"serving": {"replicas": 0}}, elapsed=60.0), {"since": None, "elapsed": 1860.0}),
        (watched(spec={"suspend": True}, reason="TooSlow", elapsed=60.0), {"since": None, "elapsed": 60.0}),
        (
            watched(spec={"suspend": True}, unreadySince=at("13:50")),
            {"since": None, "elapsed": 1800.0, "unreadySince": None},
        ),
        (watched(since=None), {"since": at("14:00")}),
        (
            watched(since=None, serving=(pods("bike-v2", 1),)),
            {"since": at("14:00"), "unreadySince": at("14:00")},
        ),
        (watched(since=at("14:01"), unreadySince=at("14:02")), {"since": at("14:00"), "unreadySince": at("14:00")}),
        (watched(serving=(pods("bike-v2", 1),)), {"unreadySince": at("14:00")}),
        (watched(unreadySince=at("13:58"), unready=30.0), {"unreadySince": None, "unready": 150.0}),
    ],
)
def test_a_watch_keeps_its_times(world: World, changes: dict[str, Any]) -> None:
    action = continue_watch(world)
    assert action and world.live and world.live.status.watch
    before = world.live.status.watch.to_api()
    wanted = {key: value for key, value in (before | changes).items() if value is not None}
    written = {key: times(value) for key, value in action.status["watch"].items()}
    assert written == {key: times(value) for key, value in wanted.items()}
    assert action.announce is None


def times(value: Any) -> Any:
    """Times of the same moment, with or without microseconds, are equal."""
    return datetime.fromisoformat(value) if isinstance(value, str) and value[:2] == "20" else value


@pytest.mark.parametrize(
    "world",
    [
        a_world(),
        a_world(versions=(a_version(1),)),
        watched(),
        watched(spec={"suspend": True}, since=None),
        watched(since=at("13:51"), reason="TooSlow", serving=(pods("bike-v1", 1),)),
        watched(since=at("13:55"), unreadySince=at("13:55"), serving=(pods("bike-v2", 1),)),
    ],
)
def test_a_watch_waits(world: World) -> None:
    assert continue_watch(world) is None


def test_predecessor_serves_again_once_its_pods_are_ready() -> None:
    action = continue_watch(watched(reason="TooSlow"))
    assert action
    assert (action.name, action.status["phase"], action.status["reason"]) == ("bike-v1", "Live", "WentBack")
    assert action.status["message"] == "serves again, since bike-v2 failed after its promotion (TooSlow)"


REFUSED = {"reason": "DigestMismatch", "message": "not the file"}


@pytest.mark.parametrize(
    ("world", "reason", "message"),
    [
        (watched(serving=(pods("bike-v2", 2, refusal=REFUSED),)), "DigestMismatch", "not the file"),
        (watched(serving=(pods("bike-v2", 2, refusal={"message": "no"}),)), "Refused", "no"),
        (
            watched(unreadySince=at("13:50"), serving=(pods("bike-v2", 1, trouble="no node"),)),
            "NotReady",
            "fewer than 2 replicas were ready for 600 seconds of the watch, 1 are now: no node",
        ),
        (
            watched(unreadySince=at("13:51"), unready=60.0, serving=(pods("bike-v2", 1),)),
            "NotReady",
            "fewer than 2 replicas were ready for 600 seconds of the watch, 1 are now",
        ),
        (
            watched(unreadySince=at("13:55"), serving=(pods("bike-v2", 0),)),
            "NotReady",
            "fewer than 2 replicas were ready for 300 seconds of the watch, 0 are now",
        ),
        (
            watched(spec={"serving": {"replicas": 1}}, unreadySince=at("13:55"), serving=(pods("bike-v1", 1),)),
            "NotReady",
            "fewer than 1 replicas were ready for 300 seconds of the watch, 0 are now",
        ),
        (watched(unreadySince=at("13:51"), unready=59.0, serving=(pods("bike-v2", 1),)), "", ""),
        (watched(unreadySince=at("13:50")), "", ""),
        (watched(replicas=1, unreadySince=at("13:50"), serving=(pods("bike-v2", 1),)), "", ""),
        (watched(unreadySince=at("13:56"), serving=(pods("bike-v2", 0),)), "", ""),
        (
            watched(since=at("13:55"), elapsed=9.0, unreadySince=at("13:55"), serving=(pods("bike-v2", 0),)),
            "",
            "",
        ),
        (watched(since=at("13:55"), replicas=0, unreadySince=at("13:55"), serving=(pods("bike-v2", 0),)), "", ""),
    ],
)
def test_a_fault_has_a_reason_and_a_message(world: World, reason: str, message: str) -> None:
    assert world.live and world.live.status.watch
    wrong = fault(world, world.live, world.live.status.watch)
    assert wrong == ((reason, message) if reason else None)
    if wrong:
        action = continue_watch(world)
        assert action
        text = f"bike-v2: {message}; going back to bike-v1"
        assert action.announce == Announcement(reason, text, warning=True)
        assert (action.status["watch"]["reason"], action.status["watch"]["message"]) == wrong
        assert times(action.status["watch"]["since"]) == NOW


@pytest.mark.parametrize(
    ("world", "minutes"),
    [
        (a_world(), []),
        (watched(), [30]),
        (watched(elapsed=600.0), [20]),
        (watched(since=None), []),
        (watched(predecessor="RolledBack"), []),
        (watched(unreadySince=at("13:55"), serving=(pods("bike-v2", 1),)), [30, 5]),
        (watched(since=at("13:55"), reason="TooSlow"), [5]),
        (watched(spec={"rollout": {"watch": "1h", "analysis": {"interval": "1m"}}}), [30, -30]),
    ],
)
def test_the_operator_wakes_for_a_watch(world: World, minutes: list[int]) -> None:
    assert list(wakes_at(world)) == [NOW + timedelta(minutes=each) for each in minutes]


@pytest.mark.parametrize(
    ("world", "message"),
    [
        (a_world(), None),
        (watched(predecessor="RolledBack"), None),
        (watched(), "bike-v2 was just promoted and is watched until 2026-11-23 14:30:00 UTC" + ENDS),
        (watched(since=None), "bike-v2 was just promoted and is watched and its clock stands" + ENDS),
        (watched(reason="TooSlow"), "bike-v1 is about to serve again instead of bike-v2" + ENDS),
    ],
)
def test_a_watch_blocks_the_next_roll_out(world: World, message: str | None) -> None:
    assert watching(world) == (Blocker("Watching", message) if message else None)


@pytest.mark.parametrize(
    ("watch", "phase", "reason", "message", "conditions"),
    [
        (
            {"reason": "TooSlow", "message": "it is slow"},
            "RolledBack",
            "TooSlow",
            "it is slow; bike-v1 serves again",
            ["RolledOut"],
        ),
        ({}, "Superseded", "Superseded", "bike-v1 serves instead", []),
    ],
)
def test_a_replaced_version_says_whether_it_failed(
    watch: dict[str, Any], phase: str, reason: str, message: str, conditions: list[str]
) -> None:
    again = a_version(1, status={"liveSince": at("13:59")})
    left = watched(**watch).versions[-1]
    action = leave(a_world(versions=(again, left)), left)
    status = action.status
    assert (status["phase"], status["reason"], status["message"]) == (phase, reason, message)
    assert [each["type"] for each in status.get("conditions", [])] == conditions
    assert "watch" not in status
