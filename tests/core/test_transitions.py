"""What a transition writes: status, condition, time, event; and what it refuses."""

from __future__ import annotations

import pytest

from perennial_operator.core.actions import Announcement
from perennial_operator.core.api.model_version import Phase
from perennial_operator.core.rules.trainings.failures import surroundings_of
from perennial_operator.core.rules.transitions import ForbiddenTransitionError, fail, transition
from tests.builders import a_version, a_world

NOW = "2026-11-23T14:00:00Z"


@pytest.mark.parametrize(
    ("before", "phase", "reason", "ended", "warning", "surroundings"),
    [
        ("Training", "Validating", "Trained", False, False, False),
        ("Training", "Superseded", "NoNewRows", True, False, False),
        ("Training", "Failed", "TooFewRows", True, True, False),
        ("Training", "Failed", "NotStarted", True, True, True),
        ("Validating", "Rejected", "WorseThanLive", True, True, False),
        ("RollingOut", "RolledBack", "NotReady", True, True, True),
        ("RollingOut", "RollingOut", "NotReady", False, False, False),
        ("RollingOut", "Live", "RolledOut", False, False, False),
    ],
)
def test_status_condition_and_event_say_the_same(
    before: str, phase: str, reason: str, ended: bool, warning: bool, surroundings: bool
) -> None:
    world = a_world()
    version = a_version(2, before, status={"surroundings": "of a former failure"}, resourceVersion="7")
    action = transition(world, version, Phase(phase), reason, "one\nline", ("Trained", None), image="trainer:2")
    status = action.status
    assert (action.kind, action.name, action.resource_version) == ("ModelVersion", "bike-v2", "7")
    assert (status["phase"], status["reason"], status["image"]) == (phase, reason, "trainer:2")
    assert status.get("endedAt") == (NOW if ended else None)
    assert status.get("surroundings") == (surroundings_of(world.spec) if surroundings else None)
    (condition,) = status["conditions"]
    assert condition == {
        "type": "Trained",
        "status": "Unknown",
        "reason": reason,
        "message": status["message"],
        "lastTransitionTime": condition["lastTransitionTime"],
    }
    assert condition["lastTransitionTime"].startswith("2026-11-23T14:00:00")
    assert "\n" not in status["message"]
    assert action.announce == Announcement(reason, f"bike-v2: {status['message']}", warning)


def test_without_a_condition_the_former_ones_stay() -> None:
    version = a_version(2, "Validating")
    failed = fail(a_world(), version, "JobFailed", "it failed", "Validated")
    assert [(each["type"], each["status"]) for each in failed.status["conditions"]] == [("Validated", "False")]
    later = a_version(2, "Training", status={"conditions": failed.status["conditions"]})
    action = transition(a_world(), later, Phase.SUPERSEDED, "SpecChanged", "the spec was changed")
    assert action.status["conditions"] == failed.status["conditions"]


def test_forbidden_transition_names_version_phases_and_fix() -> None:
    with pytest.raises(ForbiddenTransitionError) as error:
        transition(a_world(), a_version(2, "Training"), Phase.LIVE, "RolledOut", "serves")
    assert str(error.value) == (
        "ModelVersion bike-v2: phase Live (RolledOut) may not follow Training; "
        "restore its status, or delete the ModelVersion"
    )
    assert error.value.reason == "ForbiddenTransition"
