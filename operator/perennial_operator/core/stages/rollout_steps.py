"""Which step of a roll-out is the next, how long does one last, and what does it mean?"""

from __future__ import annotations

from datetime import datetime, timedelta

from perennial_operator.core.api.model_version import RolloutState
from perennial_operator.core.api.values import as_delta
from perennial_operator.core.stages import rollout_analysis as analysis
from perennial_operator.core.traffic.registry import runtime_of
from perennial_operator.core.traffic.runtime import ALL, SHADOW
from perennial_operator.core.traffic.traffic_split import shadow_asked
from perennial_operator.core.world import World


def replicas_of(world: World, state: RolloutState) -> int:
    """How many replicas of the candidate the step needs."""
    return runtime_of(world.spec).replicas_at(world, state.weight).candidate


def weight_after(world: World, weight: int) -> int:
    """The weight of the next step; told by weight and not by number, so that an edit of the steps leads never back."""
    steps = world.spec.rollout.steps if world.live else []
    return next((step.weight for step in steps if step.weight > weight), ALL)


def hold(world: World, state: RolloutState) -> timedelta:
    """How long the step lasts, at least, once its replicas are ready."""
    if state.weight == SHADOW:
        return as_delta(world.spec.rollout.shadow) if world.spec.rollout.shadow and shadow_asked(world) else timedelta()
    asked = next((step.hold for step in world.spec.rollout.steps if step.weight == state.weight), None)
    return as_delta(asked) if asked else timedelta()


def patience(world: World, state: RolloutState, since: datetime) -> datetime:
    """Until when the step's replicas may be unready: longer by the hold where they were ready and are to be again."""
    longest = since + as_delta(world.spec.rollout.timeout)
    return analysis.waits_until(world, state, longest + hold(world, state)) if state.faltered else longest


def meaning(world: World, weight: int) -> str:
    """What a step does, in a sentence."""
    runtime = runtime_of(world.spec)
    replicas = runtime.replicas_at(world, weight)
    splitter = runtime.traffic_splitter(world) if world.live else ""
    share = f" of the requests by {splitter}" if splitter else ""
    step = f"weight {weight} %{share}" if weight else f"shadow: it answers a copy{share}, and its answers are discarded"
    beside = f" beside {replicas.live} of {world.live.name}" if world.live and replicas.live else ""
    return f"{step}: {replicas.candidate} {'replica' if replicas.candidate == 1 else 'replicas'}{beside}"
