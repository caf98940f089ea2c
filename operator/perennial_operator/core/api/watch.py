"""The watch of a version after its promotion, as its status keeps it."""

from __future__ import annotations

from pydantic import Field

from perennial_operator.core.api.printable_text import Sentence
from perennial_operator.core.api.request_stats import AnalysisState, Tally
from perennial_operator.core.api.values import Moment, Name, Value


class WatchState(Value):
    """State of the watch."""

    predecessor: Name = Field(description="The version that serves again if this one fails.")
    replicas: int = Field(description="Number of replicas at the promotion.")
    since: Moment | None = Field(
        None,
        description="Since when its clock runs, or since when the predecessor is scaled up; not set while the "
        "ModelDeployment is suspended or scaled to 0.",
    )
    elapsed: float = Field(0.0, description="Seconds that were watched before that.")
    unready_since: Moment | None = Field(None, description="Since when too few replicas are ready.")
    unready: float = Field(0.0, description="Seconds in which too few replicas were ready before that.")
    analysis: AnalysisState | None = Field(
        None, description="Measurements: of this version as candidate, and of the predecessor as live."
    )
    baseline: Tally | None = Field(None, description="Counters of the predecessor in the last step of the roll-out.")
    reason: str | None = Field(None, description="Reason to go back to the predecessor, as one CamelCase word.")
    message: Sentence | None = Field(None, description="Why, as a sentence.")
