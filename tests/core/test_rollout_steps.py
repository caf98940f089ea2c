"""One pass of the roll-out's stage: who decides, what is pinned, what is left over, and when it wakes."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from perennial_operator.core import names
from perennial_operator.core.actions import SetStatus
from perennial_operator.core.stages import rollout
from perennial_operator.core.stages.drift_assessment import Assessment
from perennial_operator.core.world import Serving, World
from tests.builders import NOON, a_deployment, a_version, a_world

NOW = NOON.replace(hour=14)
LIVE = a_version(1, creationTimestamp="2026-11-20T12:00:00Z")
STATE = {"rollout": {"weight": 20, "startedAt": "2026-11-23T13:55:00Z"}}
STEPS = {"steps": [{"weight": 20, "hold": "10m"}], "timeout": "15m"}
MANUAL = {"rollout": {"approval": "manual"}}


def pods(name: str, count: int = 2) -> Serving:
    return Serving(name, {}, 2, count, count, 2)


def staged(*versions: Any, spec: Any = (), **fields: Any) -> World:
    serving = {each.name: pods(each.name) for each in versions}
    return a_world(deployment=a_deployment(spec=dict(spec)), versions=versions, **{"serving": serving, **fields})


def written(world: World) -> tuple[str, str, str, str, list[tuple[str, str]]] | None:
    """Name, phase, reason and message of the version that is changed, and its conditions."""
    actions = rollout.next_step(world, Assessment())
    if not actions:
        return None
    (action,) = actions
    assert isinstance(action, SetStatus)
    status = action.status
    conditions = [(each["type"], each["status"]) for each in status.get("conditions", [])]
    return action.name, status["phase"], status["reason"], status["message"], conditions


def candidate(phase: str, status: Any = (), **annotations: str) -> Any:
    keys = {"approved": names.APPROVED, "rejected": names.REJECTED, "person": names.PERSON}
    given = {keys[key]: value for key, value in annotations.items()}
    return a_version(2, phase, status=dict(status), annotations=given)


NO_CONDITION: list[tuple[str, str]] = []


@pytest.mark.parametrize(
    ("world", "change"),
    [
        (staged(), None),
        (staged(LIVE), None),
        (
            staged(LIVE, candidate("Validating", rejected="ann")),
            ("bike-v2", "Rejected", "RejectedByPerson", "rejected by ann", [("Approved", "False")]),
        ),
        (
            staged(LIVE, candidate("AwaitingApproval", rejected="ci", person="ann"), spec=MANUAL),
            ("bike-v2", "Rejected", "RejectedByPerson", "rejected by ci on behalf of ann", [("Approved", "False")]),
        ),
        (
            staged(LIVE, candidate("RollingOut", STATE, rejected="ann")),
            ("bike-v2", "RolledBack", "RejectedByPerson", "rejected by ann", [("RolledOut", "False")]),
        ),
        (
            staged(LIVE, candidate("AwaitingApproval", approved="ann"), spec=MANUAL),
            ("bike-v2", "RollingOut", "Approved", "approved by ann", [("Approved", "True")]),
        ),
        (staged(LIVE, candidate("AwaitingApproval", approved="ann"), spec=MANUAL | {"suspend": True}), None),
        (staged(LIVE, candidate("AwaitingApproval"), spec=MANUAL), None),
        (staged(LIVE, candidate("Validating", approved="ann"), spec=MANUAL), None),
        (
            staged(LIVE, candidate("RollingOut", STATE), spec={"pin": "bike-v1"}),
            ("bike-v2", "Superseded", "Pinned", "spec.pin is bike-v1", [("RolledOut", "False")]),
        ),
        (staged(LIVE, candidate("AwaitingApproval"), spec={"pin": "bike-v1"}), None),
        (
            staged(LIVE, candidate("RollingOut", STATE), spec={"pin": "bike-v2"}),
            ("bike-v2", "Live", "Pinned", "serves because spec.pin names it", [("RolledOut", "True")]),
        ),
        (
            staged(LIVE, a_version(2, "Rejected", status={"message": "mse is 9"}), spec={"pin": "bike-v2"}),
            (
                "bike-v2",
                "Live",
                "Pinned",
                "serves because spec.pin names it, although it was Rejected: mse is 9",
                [("RolledOut", "True")],
            ),
        ),
        (
            staged(
                LIVE,
                a_version(2, "Superseded"),
                spec={"pin": "bike-v2"},
                serving={"bike-v2": pods("bike-v2", 1)},
            ),
            None,
        ),
        (staged(LIVE, spec={"pin": "bike-v1"}), None),
        (
            staged(LIVE, a_version(2)),
            ("bike-v1", "Superseded", "Superseded", "bike-v2 serves instead", NO_CONDITION),
        ),
        (
            staged(LIVE, candidate("RollingOut", STATE), a_version(3, "Training")),
            ("bike-v2", "Superseded", "Superseded", "bike-v3 was made after it", NO_CONDITION),
        ),
        (staged(a_version(1, None, {"trigger": {"reason": "Recovered"}}), a_version(2, "Training")), None),
    ],
)
def test_a_pass_makes_at_most_one_change(world: World, change: Any) -> None:
    assert written(world) == change


@pytest.mark.parametrize(
    ("state", "spec", "minutes"),
    [
        (None, {}, []),
        ({"weight": 20}, {}, []),
        ({"weight": 20, "startedAt": "2026-11-23T13:55:00Z"}, {}, [10]),
        ({"weight": 20, "startedAt": "2026-11-23T13:55:00Z", "readyAt": "2026-11-23T13:58:00Z"}, {}, [8]),
        (
            {"weight": 20, "startedAt": "2026-11-23T13:55:00Z", "readyAt": "2026-11-23T13:58:00Z", "elapsed": 60.0},
            {},
            [7],
        ),
        (
            {"weight": 20, "startedAt": "2026-11-23T13:55:00Z", "readyAt": "2026-11-23T13:58:00Z"},
            {"analysis": {"limit": "1h"}},
            [8, -2, 68],
        ),
    ],
    ids=["no step", "not begun", "not ready", "ready", "ready before too", "analysed"],
)
def test_stage_wakes_at_the_end_of_hold_or_timeout(state: Any, spec: Any, minutes: list[int]) -> None:
    version = candidate("RollingOut", {"rollout": state} if state else {})
    world = staged(LIVE, version, spec={"rollout": STEPS | spec})
    assert list(rollout.wakes_at(world, Assessment())) == [NOW + timedelta(minutes=each) for each in minutes]


@pytest.mark.parametrize(("phase", "polls"), [("RollingOut", True), ("Validating", False)])
def test_route_is_read_again_while_a_candidate_rolls_out(phase: str, polls: bool) -> None:
    spec = {"rollout": {"gateway": {"httpRoute": "bike"}}}
    times = list(rollout.wakes_at(staged(LIVE, candidate(phase), spec=spec), Assessment()))
    assert (NOW + timedelta(minutes=1) in times) is polls
