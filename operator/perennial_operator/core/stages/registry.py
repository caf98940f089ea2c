"""Which stages are there, in their order? One entry for each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from perennial_operator.core.actions import Action
from perennial_operator.core.stages import drift, record, recovery, rollout, training, upkeep, validation
from perennial_operator.core.stages.drift_assessment import Assessment
from perennial_operator.core.world import World


def never(_world: World, _assessment: Assessment) -> Iterator[datetime]:
    """For a stage in which time alone causes no action."""
    yield from ()


@dataclass(frozen=True, slots=True)
class Stage:
    name: str
    """As in CandidatePhase.stage and in metrics."""
    next_step: Callable[[World, Assessment], tuple[Action, ...]]
    """The actions that it takes now, if any."""
    wakes_at: Callable[[World, Assessment], Iterable[datetime]] = never
    """When time alone may cause the next ones."""
    stopped_roles: frozenset[str] = frozenset()
    """Roles of its Jobs that are deleted while they run once their version has ended."""


STAGES = (
    Stage("recovery", recovery.next_step, recovery.wakes_at),
    Stage("drift", drift.next_step, drift.wakes_at),
    Stage("training", training.next_step, training.wakes_at, stopped_roles=frozenset({"training"})),
    Stage("validation", validation.next_step, stopped_roles=frozenset({"validation"})),
    Stage("rollout", rollout.next_step, rollout.wakes_at),
    Stage("record", record.next_step, record.wakes_at),
    Stage("upkeep", upkeep.next_step, upkeep.wakes_at),
)
"""The first stage that has something to do acts; record and upkeep are last, so that they block nothing else."""
STOPPED_ROLES = frozenset(role for stage in STAGES for role in stage.stopped_roles)
