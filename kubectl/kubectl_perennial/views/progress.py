"""How far a version is from drift to live, by the stages of the operator's core."""

from __future__ import annotations

from kubectl_perennial.client import Body
from perennial_operator.core.api.model_version import UNSUCCESSFUL, Phase
from perennial_operator.core.rules.phases import CANDIDATE_PHASES

DONE, HERE, AHEAD, FAILED = "done", "here", "ahead", "failed"
STEPS = [each.verb for each in CANDIDATE_PHASES]
PHASES = [each.phase.value for each in CANDIDATE_PHASES]
CONDITIONS = [each.condition for each in CANDIDATE_PHASES]
BY_PERSON = {each.verb: each.phase.value for each in CANDIDATE_PHASES if each.by_person}
USUAL_FAILURE = {Phase.FAILED: Phase.TRAINING, Phase.REJECTED: Phase.VALIDATING, Phase.ROLLED_BACK: Phase.ROLLING_OUT}
"""Where a version failed if no condition says so."""
STARTS = {
    "Initial": "first version",
    "Adopted": "adopted model",
    "SpecChange": "spec change",
    "Schedule": "schedule",
    "Growth": "more rows",
    "Reweighing": "other weights",
    "Request": "request",
}
"""Why a version was trained, where it was not drift."""


def progress_of(version: Body | None, *, manual: bool, weight: int | None = None) -> list[Body]:
    """Why it was trained, each step of a candidate and live, each with its state; without a version it is at drift.

    A step that a person ends is shown if the approval is manual.
    """
    status = (version or {}).get("status") or {}
    phase = status.get("phase") or Phase.TRAINING.value
    reason = ((version or {}).get("spec") or {}).get("trigger", {}).get("reason", "Drift")
    start = STARTS.get(reason, reason.lower())
    if version is None:
        states = {"drift": HERE} | dict.fromkeys([*STEPS, "live"], AHEAD)
    elif phase in (Phase.LIVE, Phase.SUPERSEDED):
        states = dict.fromkeys([start, *STEPS, "live"], DONE)
    else:
        states = {start: DONE} | _candidate_states(phase, status)
    shown = {name: state for name, state in states.items() if manual or BY_PERSON.get(name, phase) == phase}
    rolling_out = STEPS[PHASES.index(Phase.ROLLING_OUT)]
    labels = {rolling_out: f"{rolling_out} {weight} %"} if weight is not None and phase == Phase.ROLLING_OUT else {}
    return [{"name": name, "state": state, "label": labels.get(name, name)} for name, state in shown.items()]


def _candidate_states(phase: str, status: Body) -> dict[str, str]:
    """The steps before the current one are done, and the steps after it are ahead."""
    if phase in UNSUCCESSFUL:
        position, state = _failed_step(status), FAILED
    elif phase in PHASES:
        position, state = PHASES.index(phase), HERE
    else:
        # A phase of a newer operator is shown between approval and roll-out.
        return dict.fromkeys(STEPS[:-1], DONE) | {phase: HERE} | dict.fromkeys([STEPS[-1], "live"], AHEAD)
    states = [DONE] * position + [state] + [AHEAD] * (len(STEPS) - position)
    return dict(zip([*STEPS, "live"], states, strict=True))


def _failed_step(status: Body) -> int:
    failed = {each["type"] for each in status.get("conditions") or [] if each["status"] == "False"}
    positions = [position for position, condition in enumerate(CONDITIONS) if condition in failed]
    return positions[-1] if positions else PHASES.index(USUAL_FAILURE[status["phase"]])
