"""How a validation compared a candidate with the live version, as the status of its version keeps it."""

from __future__ import annotations

from pydantic import Field

from perennial_operator.core.api.meta import Number
from perennial_operator.core.api.printable_text import Sentence
from perennial_operator.core.api.values import Value


class Worsening(Value):
    """How much worse the candidate is than the live version; negative if it is better."""

    metric: str = Field(description="The metric that was compared.")
    estimate: Number = Field(description="The difference on the holdout: a share for a loss.")
    upper: Number = Field(description="The upper bound of the difference.")
    confidence: Number = Field(description="Confidence of the bound.")


class WorstGroup(Value):
    """The group of a slice with the greatest ratio of the candidate's metric to the live version's."""

    column: Sentence = Field(description="Column of the slice.")
    metric: str = Field(description="The metric that was compared.")
    group: Sentence = Field(description="The group.")
    rows: int = Field(description="Holdout rows of the group.")
    candidate: Number = Field(description="Metric of this version.")
    live: Number = Field(description="Metric of the live version.")
    ratio: Number = Field(description="How many times as bad as the live version it is.")


class Comparison(Value):
    """What the gate judged, beside the metrics; it judges again when spec.validation changes."""

    rows: int = Field(description="Number of holdout rows.")
    worsening: Worsening | None = Field(None, description="The comparison with the live version, if one was live.")
    slices: list[WorstGroup] = Field([], max_length=100, description="The worst group of each slice.")
