"""Where a version stands, as far as a person can do something about it."""

from __future__ import annotations

from perennial_operator.core.api import model_version
from perennial_operator.core.api.model_version import IN_FLIGHT, Phase

TRAINING, VALIDATING, AWAITING, ROLLING_OUT = (phase.value for phase in IN_FLIGHT)
LIVE, SUPERSEDED = Phase.LIVE.value, Phase.SUPERSEDED.value
UNSUCCESSFUL = tuple(phase.value for phase in model_version.UNSUCCESSFUL)
ENDED = (SUPERSEDED, *UNSUCCESSFUL)

COLOURS = {LIVE: "green", SUPERSEDED: "dim", AWAITING: "magenta", **dict.fromkeys(UNSUCCESSFUL, "red")}
"""What is on its way is yellow, whatever a later operator calls it."""


def colour(phase: str) -> str:
    return COLOURS.get(phase, "yellow")
