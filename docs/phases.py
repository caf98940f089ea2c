"""The diagram and the table of phases in docs/architecture.md: `python docs/phases.py` writes both."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from perennial_operator.core.api.model_version import IN_FLIGHT, Phase
from perennial_operator.core.rules.phases import ANY, PINNED, TRANSITIONS

PAGE = Path(__file__).parent / "architecture.md"
BEGIN, END = "<!-- made by docs/phases.py -->", "<!-- end -->"
ENDED = tuple(phase for phase in Phase if phase not in (*IN_FLIGHT, Phase.LIVE))
GROUPS = {"Candidate": IN_FLIGHT, "Ended": ENDED}
"""An arrow that all phases of a group have is drawn once, from or to the group's frame."""


def section() -> str:
    """The diagram, and below it the reasons of each arrow."""
    return "\n".join([BEGIN, "```mermaid", *diagram(), "```", "", *table(), END])


def diagram() -> Iterator[str]:
    yield "flowchart LR"
    yield '  New(("new"))'
    for group, phases in GROUPS.items():
        yield f"  subgraph {group}"
        yield from (f"    {phase}" for phase in phases)
        yield "  end"
    yield from dict.fromkeys(arrow(before, after) for before, after in arrows())


def arrows() -> Iterator[tuple[Phase | None, Phase]]:
    for before, targets in TRANSITIONS.items():
        yield from ((before, after) for after in targets)


def arrow(before: Phase | None, after: Phase) -> str:
    """The arrow of a transition; dotted where only a pin or the ledger brings it about."""
    reasons = TRANSITIONS[before][after]
    for group, phases in GROUPS.items():
        if before in phases and after not in phases and all(after in TRANSITIONS[phase] for phase in phases):
            pinned = all(TRANSITIONS[phase][after] == PINNED for phase in phases)
            return f"  {group} {'-. Pinned .->' if pinned else '-->'} {after}"
        if after in phases and all(phase in TRANSITIONS[before] for phase in phases):
            return f"  {before or 'New'} {'-. from the ledger .->' if before is None else '-->'} {group}"
    if reasons == PINNED:
        return f"  {before} -. Pinned .-> {after}"
    if before is None and after is not Phase.TRAINING:
        return f"  New -. from the ledger .-> {after}"
    return f"  {before or 'New'} --> {after}"


def table() -> Iterator[str]:
    yield "| from | to | reasons |"
    yield "| --- | --- | --- |"
    for before, after in arrows():
        reasons = TRANSITIONS[before][after]
        listed = [f"`{reason}`" for reason in sorted(reasons - {ANY})]
        open_end = ["any other"] if listed else ["any"]
        yield f"| {before or '(new)'} | {after} | {', '.join(listed + (open_end if ANY in reasons else []))} |"


def written(page: str) -> str:
    """The page with the section as the code has it now."""
    return re.sub(f"{BEGIN}.*?{END}", lambda _: section(), page, flags=re.DOTALL)


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
