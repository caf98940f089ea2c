"""What is done now? What the desired objects need, one step of the first stage that has one, and outcomes of reports.

recovery ──▶ drift ──▶ training ──▶ validation ──▶ rollout ──▶ record ──▶ upkeep
    │          │           │             │             │          │         │
restores    starts      starts        applies       changes     writes    deletes
a lost      training,   training,     the gate      weight,     the       what is
version     checks      ends it                     ends it     ledger    too old
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from perennial_operator.core.actions import Action
from perennial_operator.core.desired import bring_about
from perennial_operator.core.rules.transitions import ends_set_back
from perennial_operator.core.stages.drift import outcome_updates
from perennial_operator.core.stages.drift_assessment import Assessment, assess_reports
from perennial_operator.core.stages.registry import STAGES
from perennial_operator.core.traffic.registry import runtime_of
from perennial_operator.core.world import World


@dataclass(frozen=True, slots=True)
class Decision:
    """The actions of one step, in their order, and when to decide again."""

    actions: tuple[Action, ...] = ()
    again: bool = False
    """Whether the next step may follow at once."""
    wake_at: datetime | None = None
    """Otherwise the next time at which time alone may change the decision."""
    assessment: Assessment = field(default_factory=Assessment)


def decide_step(world: World) -> Decision:
    """The actions of one step and when to decide again; no actions for a ModelDeployment that is being deleted.

    Outcomes of reports come last: the Job that a report causes does not wait for them.
    """
    assessment = assess_reports(world)
    if world.deployment.metadata.deletion_timestamp:
        return Decision(assessment=assessment)
    needed = bring_about(world, assessment)
    step = ends_set_back(world) or next(filter(None, (stage.next_step(world, assessment) for stage in STAGES)), ())
    if actions := (*step, *runtime_of(world.spec).route_patches(world), *outcome_updates(world, assessment)):
        return Decision((*needed, *actions), again=True, assessment=assessment)
    # An action that is due and was not decided waits for something other than time.
    alarms = (at for stage in STAGES for at in stage.wakes_at(world, assessment) if at > world.now)
    return Decision(needed, wake_at=min(alarms, default=None), assessment=assessment)
