"""How far has a version come on the way from drift to live?"""

from __future__ import annotations

from kubectl_perennial.client import Body
from kubectl_perennial.views import phases
from perennial_operator.core.rules.phases import CANDIDATE_PHASES

DONE, HERE, AHEAD, FAILED = "done", "here", "ahead", "failed"
STAGES = {each.phase.value: (each.verb, each.condition) for each in CANDIDATE_PHASES}
"""Phase → what is done in it, and the condition that says how it ended."""


def stages(version: Body | None, *, manual: bool, weight: int | None = None) -> list[Body]:
    """drift, train, validate, approve (where a person has to), roll out and live, each with how far it is.

    Without a version on its way the loop stands at drift: it watches.
    """
    status = (version or {}).get("status") or {}
    phase = status.get("phase") or phases.TRAINING
    states = {"drift": HERE if version is None else DONE}
    if version is None:
        states |= {name: AHEAD for name, _ in STAGES.values()} | {"live": AHEAD}
    elif phase in (phases.LIVE, phases.SUPERSEDED):
        states |= {name: DONE for name, _ in STAGES.values()} | {"live": DONE}
    else:
        states |= _under_way(phase, status)
    told = {"roll out": f"roll out {weight} %"} if weight is not None and phase == phases.ROLLING_OUT else {}
    shown = {name: state for name, state in states.items() if name != "approve" or manual or phase == phases.AWAITING}
    return [{"name": name, "state": state, "told": told.get(name, name)} for name, state in shown.items()]


def _under_way(phase: str, status: Body) -> dict[str, str]:
    """What went before is done, what is going on is here, or failed, and the rest is ahead."""
    order = list(STAGES)
    if phase in phases.UNSUCCESSFUL:
        at, state = _failed_at(status), FAILED
    elif phase in STAGES:
        at, state = order.index(phase), HERE
    else:
        # A phase of a later operator: it comes between what is proven and what is rolled out.
        names = [name for name, _ in STAGES.values()]
        return dict.fromkeys(names[:3], DONE) | {phase: HERE} | dict.fromkeys([*names[3:], "live"], AHEAD)
    states = {
        name: DONE if number < at else state if number == at else AHEAD
        for number, (name, _) in enumerate(STAGES.values())
    }
    return states | {"live": AHEAD}


def _failed_at(status: Body) -> int:
    failed = {c["type"] for c in status.get("conditions") or [] if c["status"] == "False"}
    numbers = [number for number, (_, condition) in enumerate(STAGES.values()) if condition in failed]
    usual = {"Failed": 0, "Rejected": 1, "RolledBack": 3}
    return numbers[-1] if numbers else usual[status["phase"]]
