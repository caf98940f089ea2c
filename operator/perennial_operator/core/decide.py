"""What is to be done now? Upkeep always, and one step of the first stage that has something to say.

recovery ──▶ drift ──▶ training ──▶ validation ──▶ rollout ──▶ record
    │          │           │             │             │          │
a version   a report's  a version     a verdict     the next    an entry
that was     outcome,   or its Job    of the gate   weight,     in the
live here   a version                               live, back  ledger
"""

from __future__ import annotations

from perennial_operator.core.decision import Decision, earliest
from perennial_operator.core.shares import steering
from perennial_operator.core.stages import drift, record, recovery, rollout, training, validation
from perennial_operator.core.upkeep import upkeep
from perennial_operator.core.world import World

STAGES = (
    recovery.recovery,
    drift.drift,
    training.training,
    validation.validation,
    rollout.rollout,
    record.record,
)
ALARMS = (recovery.wakes_at, drift.wakes_at, training.wakes_at, rollout.wakes_at, record.wakes_at)


def decide(world: World) -> Decision:
    """The actions of one pass, in order, and when to look again; none for a ModelDeployment that is being deleted."""
    if world.deployment.metadata.deletion_timestamp:
        return Decision()
    for stage in STAGES:
        if actions := stage(world):
            return Decision((*upkeep(world), *actions, *steering(world)), world.now)
    if patches := steering(world):
        # No watch tells of it.
        return Decision((*upkeep(world), *patches), world.now)
    # What is due already and yet not done waits for something else than time.
    return Decision(upkeep(world), earliest(*(at for alarm in ALARMS for at in alarm(world) if at > world.now)))
