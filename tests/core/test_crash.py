"""The operator may die after any action, see everything late, or do everything twice: the end is the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from perennial_operator.core.actions import Action
from tests.simulation.disturbances import dying, late, twice
from tests.simulation.play import Play, a_play
from tests.simulation.results import REFUSED, checked

CHECK = {"schedule": "0 * * * *", "data": {"uri": "s3://bikes/live/*.parquet"}}


def story(prepare: Callable[[Play], None] = lambda play: None) -> Play:
    """Two drifts, one rejected candidate, one that fails, a roll-out in steps, a check, a change of the spec."""
    play = a_play(
        drift={"cooldown": "1m", "check": CHECK},
        rollout={"steps": [{"weight": 50, "hold": "5m"}]},
        history={"versions": 2, "reports": 2},
    )
    prepare(play)
    play.until_live(1)
    play.wait(minutes=10)
    play.report("first")
    play.until_live_again(2)
    play.wait(minutes=10)
    play.report("second", 0.4)
    play.until_rolling(3, candidate=150.0, live=100.0, upper=0.6)
    play.wait(hours=1)
    play.finish("bike-check-202611231300", checked(0.5))
    play.finish("bike-v4-train", REFUSED)
    play.edit({"model": {"parameters": {"fit_intercept": False}}})
    play.until_live_again(5)
    return play


def end(play: Play) -> dict[str, Any]:
    """What must not depend on how it came about: versions, outcomes, what serves, and how often each thing was made."""
    return {
        "phases": play.phases(),
        "outcomes": {body["metadata"]["name"]: body["status"].get("outcome") for body in play.all("DriftReport")},
        "replicas": play.desired(),
        "jobs": sorted(play.jobs),
        "made": dict(play.made),
        "holding": play.holding(),
        "number": play.status["lastVersionNumber"],
    }


PLAIN = story()
ACTIONS = len(PLAIN.done)


def test_the_story_is_a_long_one() -> None:
    assert PLAIN.phases() == {
        "bike-v3": "Rejected",
        "bike-v4": "Failed",
        "bike-v5": "Live",
        **{name: "Superseded" for name in PLAIN.phases() if name in ("bike-v1", "bike-v2")},
    }
    assert set(PLAIN.made.values()) == {1, 2}
    assert [name for name, count in PLAIN.made.items() if count == 2] == ["bike-check-202611231300"]
    assert ACTIONS > 50


@pytest.mark.parametrize("after", range(ACTIONS))
def test_dying_after_any_action_comes_to_the_same_end(after: int) -> None:
    assert end(story(dying(after))) == end(PLAIN)


def test_dying_after_every_single_action_comes_to_the_same_end() -> None:
    class Mortal(Play):
        def act(self, action: Action) -> None:
            super().act(action)
            self.dies_in = 0

    def mortal(play: Play) -> None:
        play.__class__ = Mortal

    assert end(story(mortal)) == end(PLAIN)


def test_seeing_everything_one_pass_late_comes_to_the_same_end() -> None:
    assert end(story(late)) == end(PLAIN)


def test_doing_everything_twice_comes_to_the_same_end() -> None:
    assert end(story(twice)) == end(PLAIN)
