"""Which stages are there, in their order? One entry for each; the kubectl plugin reads the same entries."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from perennial_operator.core.actions import Action
from perennial_operator.core.api.model_version import Phase
from perennial_operator.core.stages import drift, record, recovery, rollout, training, validation
from perennial_operator.core.stages.drift_assessment import Assessment
from perennial_operator.core.world import World


@dataclass(frozen=True, slots=True)
class CandidatePhase:
    """A phase of a candidate that a stage moves on."""

    phase: Phase
    verb: str
    """What happens in it, for people."""
    condition: str
    """The condition of the ModelVersion that says how it ended."""
    by_person: bool = False
    """Whether it ends by a person's annotation; its duration is not measured."""


def never(_world: World, _assessment: Assessment) -> Iterator[datetime]:
    """For a stage in which time alone causes no action."""
    yield from ()


@dataclass(frozen=True, slots=True)
class Stage:
    name: str
    next_step: Callable[[World, Assessment], tuple[Action, ...]]
    """The actions that it takes now, if any."""
    wakes_at: Callable[[World, Assessment], Iterable[datetime]] = never
    """When time alone may cause the next ones."""
    phases: tuple[CandidatePhase, ...] = ()
    """The phases of a candidate in which it acts, in order."""
    stopped_roles: frozenset[str] = frozenset()
    """Roles of its Jobs that are deleted while they run once their version has ended."""


STAGES = (
    Stage("recovery", recovery.next_step, recovery.wakes_at),
    Stage("drift", drift.next_step, drift.wakes_at),
    Stage(
        "training",
        training.next_step,
        training.wakes_at,
        (CandidatePhase(Phase.TRAINING, "train", "Trained"),),
        frozenset({"training"}),
    ),
    Stage(
        "validation",
        validation.next_step,
        phases=(CandidatePhase(Phase.VALIDATING, "validate", "Validated"),),
        stopped_roles=frozenset({"validation"}),
    ),
    Stage(
        "rollout",
        rollout.next_step,
        rollout.wakes_at,
        (
            CandidatePhase(Phase.AWAITING_APPROVAL, "approve", "Approved", by_person=True),
            CandidatePhase(Phase.ROLLING_OUT, "roll out", "RolledOut"),
        ),
    ),
    Stage("record", record.next_step, record.wakes_at),
)
"""The first stage that has something to do acts; record is last, so that a ledger that fails blocks nothing else."""
CANDIDATE_PHASES = tuple(phase for stage in STAGES for phase in stage.phases)
STOPPED_ROLES = frozenset(role for stage in STAGES for role in stage.stopped_roles)


def measured_stage(phase: Phase) -> tuple[str, tuple[str, ...]] | None:
    """The stage that a phase belongs to, and the conditions that may have begun it, the latest first.

    None for a phase that a person ends, and for a phase of a version that is not a candidate.
    """
    for stage in STAGES:
        for each in stage.phases:
            if each.phase is phase and not each.by_person:
                before = CANDIDATE_PHASES[: CANDIDATE_PHASES.index(each)]
                return stage.name, tuple(earlier.condition for earlier in reversed(before))
    return None
