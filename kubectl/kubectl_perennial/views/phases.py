"""Where a version stands, as far as a person can do something about it."""

from __future__ import annotations

TRAINING, VALIDATING, AWAITING, ROLLING_OUT = "Training", "Validating", "AwaitingApproval", "RollingOut"
LIVE, SUPERSEDED = "Live", "Superseded"
UNSUCCESSFUL = ("Rejected", "Failed", "RolledBack")
ENDED = (SUPERSEDED, *UNSUCCESSFUL)

COLOURS = {LIVE: "green", SUPERSEDED: "dim", AWAITING: "magenta", **dict.fromkeys(UNSUCCESSFUL, "red")}
"""What is on its way is yellow, whatever a later operator calls it."""


def colour(phase: str) -> str:
    return COLOURS.get(phase, "yellow")
