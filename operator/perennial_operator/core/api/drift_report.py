"""DriftReport: one measurement, and its outcome."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from perennial_operator.core.api.cel import rule, rules
from perennial_operator.core.api.meta import IMMUTABLE, Kind, Number
from perennial_operator.core.api.thresholds import Metric
from perennial_operator.core.api.values import Column, Instant, Name, Value


class Outcome(StrEnum):
    """What became of a drift report."""

    TOO_FEW_SAMPLES = "TooFewSamples"
    STALE = "Stale"
    DUPLICATE = "Duplicate"
    INVALID = "Invalid"
    WITHIN_THRESHOLDS = "WithinThresholds"
    TRIGGERED = "Triggered"
    BREACH = "Breach"
    COOLING_DOWN = "CoolingDown"
    BUSY = "Busy"
    PINNED = "Pinned"
    SUSPENDED = "Suspended"
    STALLED = "Stalled"
    QUEUED = "Queued"


FINAL = frozenset(
    {
        Outcome.TOO_FEW_SAMPLES,
        Outcome.STALE,
        Outcome.DUPLICATE,
        Outcome.INVALID,
        Outcome.WITHIN_THRESHOLDS,
        Outcome.TRIGGERED,
    }
)
"""Outcomes that stand; a report with any other is looked at again."""


class Window(Value):
    """The span of time that was measured."""

    model_config = rules(rule("self.start <= self.end", "start is after end; swap them", at=".start"))
    start: Instant = Field(description="Time of the oldest row measured.")
    end: Instant = Field(description="Time of the newest row measured.")


class Measurement(Value):
    """One number of a report."""

    name: Metric = Field(description="Name of the metric: psi, ks, mse, r2, drifted_share and so on.")
    feature: Column | None = Field(None, description="The feature it is about, where it is about one.")
    value: Number = Field(description="The number.")
    standard_error: Number | None = Field(None, ge=0, description="Its standard error, where it is known.")


class DriftReportSpec(Value):
    """One measurement of how recent data differ from what the live version was trained on."""

    model_config = rules(rule(IMMUTABLE, "a report is a measurement and does not change; write a new report"))
    model_deployment: Name = Field(description="The ModelDeployment it is about, in the same namespace.")
    model_version: Name | None = Field(
        None, description="The ModelVersion it is about; default the one that is live when the report is first seen."
    )
    window: Window | None = Field(None, description="The span of time that was measured.")
    samples: int = Field(ge=0, description="How many rows were measured.")
    source: str = Field("", max_length=253, description="Who measured.")
    metrics: list[Measurement] = Field([], max_length=2000, description="The numbers.")
    details: str | None = Field(None, max_length=1024, description="Address of a page with the whole report.")


class Breach(Value):
    """A metric beyond its limit."""

    metric: str = Field(description="Name of the metric.")
    feature: str | None = Field(None, description="The feature it is about.")
    value: Number = Field(description="What was measured.")
    limit: Number = Field(description="The limit it is beyond.")


class DriftReportStatus(Value):
    """What became of the report."""

    outcome: Outcome | None = Field(None, description="What became of the report.")
    message: str | None = Field(None, description="Why, in a sentence.")
    model_version: str | None = Field(None, description="The ModelVersion the report was taken to be about.")
    breaches: list[Breach] | None = Field(None, description="The metrics beyond their limits.")
    candidate: str | None = Field(None, description="The ModelVersion whose training it started.")


class DriftReport(Kind):
    spec: DriftReportSpec
    status: DriftReportStatus = DriftReportStatus()

    @property
    def about(self) -> str | None:
        """The version that it names, or that it was taken to be about."""
        return self.status.model_version or self.spec.model_version
