"""What whoever waits by kstatus (Helm, Flux) and Argo CD see of a ModelDeployment in the phases of its stories."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from perennial_operator.crds.definitions import UNOBSERVED
from tests.builders import SPEC, merged
from tests.gitops.argocd import KINDS
from tests.gitops.kstatus import kstatus
from tests.gitops.lua import run
from tests.simulation.play import Play
from tests.simulation.results import REFUSED

HEALTH = (KINDS / "ModelDeployment" / "health.lua").read_text()
STEPS = {"drift": {"cooldown": "1m"}, "rollout": {"steps": [{"weight": 50, "hold": "5m"}]}}
Story = Callable[["Seen"], None]
AGREED = {"InProgress": "Progressing", "Current": "Healthy", "Failed": "Degraded"}


class Seen(Play):
    """A play of which everything that a watch could see is kept."""

    def __init__(self, spec: Mapping[str, Any]) -> None:
        self.frames: list[dict[str, Any]] = []
        super().__init__(spec)
        self.see()

    def see(self) -> None:
        frame = copy.deepcopy(self.bodies["ModelDeployment", "bike"])
        frame["status"] = frame.get("status") or UNOBSERVED
        self.frames.append(frame)

    def step(self) -> int:
        self.see()
        done = super().step()
        self.see()
        return done

    def statuses(self, since: int = 0) -> list[str]:
        """What kstatus says, as often as it changes."""
        statuses = [kstatus(frame) for frame in self.frames[since:]]
        return [status for i, status in enumerate(statuses) if i == 0 or status != statuses[i - 1]]


def a_seen_play(**changes: Any) -> Seen:
    return Seen(merged(SPEC, changes))


def served() -> Seen:
    play = a_seen_play(**STEPS)
    play.until_live(1)
    play.wait(hours=1)
    return play


def drifts(play: Seen) -> None:
    play.report("october")
    play.until_live(2, candidate=80.0, live=120.0)


def is_rejected(play: Seen) -> None:
    play.report("october")
    play.until_rolling(2, candidate=200.0, live=100.0, upper=1.0)


def is_edited(play: Seen) -> None:
    play.edit({"model": {"parameters": {"fit_intercept": False}}})
    play.until_live(2, candidate=80.0, live=120.0)


def test_an_unobserved_model_is_in_progress() -> None:
    assert kstatus(a_seen_play().frames[0]) == "InProgress"


def test_the_first_version_is_in_progress_until_it_serves() -> None:
    play = a_seen_play(**STEPS)
    play.until_live(1)
    assert play.statuses() == ["InProgress", "Current"]


@pytest.mark.parametrize("story", [drifts, is_rejected])
def test_a_retraining_because_of_drift_is_nothing_to_wait_for(story: Story) -> None:
    play = served()
    since = len(play.frames)
    story(play)
    assert len(play.phases()) == 2
    assert play.statuses(since) == ["Current"]


def test_an_edit_is_in_progress_until_it_is_served() -> None:
    play = served()
    since = len(play.frames)
    is_edited(play)
    assert play.statuses(since) == ["InProgress", "Current"]


def test_a_stalled_model_is_failed_until_it_is_fixed() -> None:
    play = a_seen_play(training={"maxRejections": 1})
    play.settle()
    play.finish("bike-v1-train", REFUSED)
    play.wait(hours=2)
    assert play.statuses() == ["InProgress", "Failed"]
    play.edit({"data": {"minRows": 10}})
    play.until_live(2)
    assert play.statuses() == ["InProgress", "Failed", "InProgress", "Current"]
    assert_argo_cd_agrees(play)


@pytest.mark.parametrize("story", [drifts, is_rejected, is_edited])
def test_argo_cd_sees_what_kstatus_sees(story: Story) -> None:
    play = served()
    story(play)
    assert_argo_cd_agrees(play)


def assert_argo_cd_agrees(play: Seen) -> None:
    assert len(play.frames) > 10
    for frame in play.frames:
        assert run(HEALTH, frame)["status"] == AGREED[kstatus(frame)]
