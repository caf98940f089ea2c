"""What is to be done now? Upkeep always, one step of the first stage that has one, and what reports are told.

recovery ──▶ drift ──▶ training ──▶ validation ──▶ rollout ──▶ record
    │          │           │             │             │          │
a version   a version   a version     a verdict     the next    an entry
that was    and Job,    and Job       of the gate   weight,     in the
live here   a check                                 live, back  ledger
"""

from __future__ import annotations

from perennial_operator.core.decision import Decision, earliest
from perennial_operator.core.desired import upkeep
from perennial_operator.core.stages import drift, record, recovery, rollout, training, validation
from perennial_operator.core.traffic.registry import runtime_of
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
    """The actions of one step, in order, and when to look again; none for a ModelDeployment that is being deleted.

    Reports are told last, since the Job that they have caused is waited for.
    """
    if world.deployment.metadata.deletion_timestamp:
        return Decision()
    step = next(filter(None, (stage(world) for stage in STAGES)), ())
    if actions := (*step, *runtime_of(world.spec).route_patches(world), *drift.outcomes(world)):
        return Decision((*upkeep(world), *actions), world.now)
    # What is due already and yet not done waits for something else than time.
    return Decision(upkeep(world), earliest(*(at for alarm in ALARMS for at in alarm(world) if at > world.now)))
