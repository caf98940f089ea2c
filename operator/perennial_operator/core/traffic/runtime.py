"""What does the core ask of a serving runtime, which runs the pods and splits the traffic?"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from perennial_operator.core.actions import Action, PatchRoute
from perennial_operator.core.api.model_version import RolloutState
from perennial_operator.core.world import World

ALL = 100
"""The weight of a candidate that gets all requests."""
SHADOW = 0
"""The weight of the step in which requests are only mirrored."""


class Replicas(NamedTuple):
    candidate: int
    live: int


@dataclass(frozen=True, slots=True)
class Blocker:
    """Why the runtime cannot split the traffic, and the fix."""

    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class RoutingStatus:
    """The condition Routed, where nothing blocks."""

    routed: bool | None
    reason: str
    message: str


class ServingRuntime(Protocol):
    """One way to serve a model; it has no state and answers from the World.

    The answers given here are those of a runtime whose replicas split the traffic.
    """

    makes_deployments: bool = True
    """Whether the operator applies a Deployment for each version; otherwise a controller creates the pods."""
    blocks_first_version: bool = False
    """Whether a blocker also stops a first version, which needs no split of the traffic."""
    routes_later: bool = False
    """Whether a controller changes the split after the operator's patch; a step waits for it until its timeout."""

    @abstractmethod
    def replicas_at(self, world: World, weight: int) -> Replicas:
        """How many replicas each version needs when the candidate has this weight."""

    @abstractmethod
    def serving_actions(self, world: World) -> Iterable[Action]:
        """Applies the objects that serve the model if they are not as wanted, and deletes those no longer needed."""

    @abstractmethod
    def settled(self, world: World) -> bool:
        """Whether the objects that serve the model are as wanted, and the traffic too."""

    def traffic_splitter(self, world: World) -> str:
        """Kind and name of what splits the traffic request by request; empty if replicas split it."""
        return ""

    def polled_object(self, world: World) -> tuple[str, str] | None:
        """Kind and name of the object that each pass reads because it is not watched, or None."""
        return None

    def changes_soon(self, world: World) -> bool:
        """Whether a change of that object is due, so that it is read again after seconds."""
        return False

    def blocker(self, world: World) -> Blocker | None:
        """Why the traffic cannot be split, or None."""
        return None

    def route_patches(self, world: World) -> Iterable[PatchRoute]:
        """The changes of a route that the user owns."""
        return ()

    def routes_as_asked(self, world: World, state: RolloutState) -> bool:
        """Whether the candidate gets the share of the requests that its step asks for."""
        return True

    def overwritten_message(self, world: World) -> str:
        """What happened if the split was right before and is wrong now, and the fix."""
        return ""

    def routing_status(self, world: World) -> RoutingStatus | None:
        """The condition Routed where nothing blocks; None if replicas split the traffic."""
        return None
