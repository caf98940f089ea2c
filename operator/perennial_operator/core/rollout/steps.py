"""What are the steps of a roll-out, how long does each last, and how does a roll-out end?"""

from __future__ import annotations

from datetime import datetime, timedelta

from perennial_operator.core.actions import Announcement, SetStatus
from perennial_operator.core.api.model_version import ModelVersion, Phase, RolloutState
from perennial_operator.core.api.values import as_delta
from perennial_operator.core.rollout.analysis import data_deadline
from perennial_operator.core.rules.phases import NOT_READY, ROLLED_OUT, ROLLING_OUT
from perennial_operator.core.rules.transitions import transition
from perennial_operator.core.traffic.predecessor import first_watch
from perennial_operator.core.traffic.registry import runtime_of
from perennial_operator.core.traffic.runtime import ALL, SHADOW
from perennial_operator.core.traffic.traffic_split import shadow_asked
from perennial_operator.core.world import World


def replicas_of(world: World, state: RolloutState) -> int:
    """How many replicas of the candidate the step needs."""
    return runtime_of(world.spec).replicas_at(world, state.weight).candidate


def next_weight(world: World, weight: int) -> int:
    """The weight of the next step. Steps are identified by weight, so that an edit of them never leads backwards."""
    steps = world.spec.rollout.steps if world.live else []
    return next((step.weight for step in steps if step.weight > weight), ALL)


def hold_of(world: World, state: RolloutState) -> timedelta:
    """The minimum duration of the step once its replicas are ready, less what passed before it was scaled to 0."""
    if state.weight == SHADOW:
        hold = world.spec.rollout.shadow if shadow_asked(world) else None
    else:
        hold = next((step.hold for step in world.spec.rollout.steps if step.weight == state.weight), None)
    return (as_delta(hold) if hold else timedelta()) - timedelta(seconds=state.elapsed)


def ready_deadline(world: World, state: RolloutState, started_at: datetime) -> datetime:
    """Until when the step's replicas may be unready; extended by the hold if they were ready once."""
    deadline = started_at + as_delta(world.spec.rollout.timeout)
    return data_deadline(world, state, deadline + hold_of(world, state)) if state.faltered else deadline


def start_step(world: World, version: ModelVersion, state: RolloutState) -> SetStatus:
    """The step's clock runs from now on."""
    state, message = state.model_copy(update={"started_at": world.now}), step_message(world, state.weight)
    return transition(world, version, Phase.ROLLING_OUT, ROLLING_OUT, message, ("RolledOut", None), rollout=state)


def step_message(world: World, weight: int) -> str:
    """What a step does, in a sentence."""
    runtime = runtime_of(world.spec)
    replicas = runtime.replicas_at(world, weight)
    splitter = runtime.traffic_splitter(world) if world.live else ""
    share = f" of the requests by {splitter}" if splitter else ""
    step = f"weight {weight} %{share}" if weight else f"shadow: it answers a copy{share}, and its answers are discarded"
    beside = f" beside {replicas.live} of {world.live.name}" if world.live and replicas.live else ""
    return f"{step}: {replicas.candidate} {'replica' if replicas.candidate == 1 else 'replicas'}{beside}"


def with_state(version: ModelVersion, state: RolloutState, announcement: Announcement | None = None) -> SetStatus:
    """The version in the same phase, with this state of its roll-out."""
    status = version.status.model_copy(update={"rollout": state})
    return SetStatus("ModelVersion", version.name, status.to_api(), version.metadata.resource_version, announcement)


def promote(world: World, version: ModelVersion, reason: str, message: str) -> SetStatus:
    """The version is live."""
    # Later than the live version whatever the clock says: of two live versions the later one serves.
    before = world.live.status.live_since if world.live else None
    since = max(world.now, before + timedelta(seconds=1)) if before else world.now
    watch = first_watch(world, version.status.rollout) if reason == ROLLED_OUT else None
    updates = {"live_since": since, "ended_at": None, "rollout": None, "watch": watch}
    return transition(world, version, Phase.LIVE, reason, message, ("RolledOut", True), **updates)


def roll_back(world: World, version: ModelVersion, reason: str, message: str) -> SetStatus:
    return transition(world, version, Phase.ROLLED_BACK, reason, message, ("RolledOut", False), rollout=None)


def roll_back_unready(world: World, version: ModelVersion, state: RolloutState) -> SetStatus:
    """The version is rolled back because its replicas, or the split of the traffic, were not ready in time."""
    serving, wanted = world.serving.get(version.name), replicas_of(world, state)
    count = serving.ready if serving else 0
    because = f": {serving.trouble}" if serving and serving.trouble else ""
    if world.live and count >= wanted:
        splitter = runtime_of(world.spec).traffic_splitter(world)
        because = (
            f", but {splitter} did not route {state.weight} % of the requests to them, the rest to {world.live.name}"
        )
    timeout = world.spec.rollout.timeout
    message = f"{count} of {wanted} replicas were ready after spec.rollout.timeout {timeout}{because}"
    return roll_back(world, version, NOT_READY, message)


def keep_unready(world: World, version: ModelVersion) -> SetStatus | None:
    """A first version keeps its Deployment: to train it again would give the same pods, and nothing else serves."""
    if version.status.reason == NOT_READY:
        return None
    message = (
        f"its replicas were not ready after spec.rollout.timeout {world.spec.rollout.timeout}; no version is live, "
        "so it keeps its Deployment, and serves as soon as they are: fix their trouble or spec.serving"
    )
    state, reason = version.status.rollout, NOT_READY
    return transition(world, version, Phase.ROLLING_OUT, reason, message, ("RolledOut", None), rollout=state)
