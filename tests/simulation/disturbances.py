"""What may disturb an operator: each prepares a play."""

from __future__ import annotations

from collections.abc import Callable

from perennial_operator.core.actions import Action
from tests.simulation.play import Play


def dying(after: int) -> Callable[[Play], None]:
    """The operator dies once, after so many more actions."""

    def prepare(play: Play) -> None:
        play.dies_in = after

    return prepare


def late(play: Play) -> None:
    """Each pass sees the world of the pass before."""
    play.behind = True


def twice(play: Play) -> None:
    """Each action is done twice."""

    class Repeating(type(play)):  # type: ignore[misc]
        def act(self, action: Action) -> None:
            super().act(action)
            super().act(action)

    play.__class__ = Repeating
