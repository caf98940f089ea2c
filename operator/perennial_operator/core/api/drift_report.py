"""DriftReport: one measurement, and its outcome."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from perennial_operator.core.api.cel import rule, rules
from perennial_operator.core.api.meta import IMMUTABLE, Kind, Number
from perennial_operator.core.api.printable_text import Sentence
from perennial_operator.core.api.thresholds import Metric
from perennial_operator.core.api.values import Column, Instant, Moment, Name, Value


class Outcome(StrEnum):
    """The result of assessing a drift report."""

    TOO_FEW_SAMPLES = "TooFewSamples"
    STALE = "Stale"
    DUPLICATE = "Duplicate"
    INVALID = "Invalid"
    BAD_DATA = "BadData"
    NOT_MEASURED = "NotMeasured"
    WITHIN_THRESHOLDS = "WithinThresholds"
    TRIGGERED = "Triggered"
    WOULD_TRIGGER = "WouldTrigger"
    BREACH = "Breach"
    COOLING_DOWN = "CoolingDown"
    BACKING_OFF = "BackingOff"
    BUDGET_SPENT = "BudgetSpent"
    BUSY = "Busy"
    PINNED = "Pinned"
    SUSPENDED = "Suspended"
    STALLED = "Stalled"
    QUEUED = "Queued"


OWN_SOURCE = "perennial"
"""The source of reports by the operator's own checks."""
FINAL = frozenset(
    {
        Outcome.TOO_FEW_SAMPLES,
        Outcome.STALE,
        Outcome.DUPLICATE,
        Outcome.INVALID,
        Outcome.BAD_DATA,
        Outcome.NOT_MEASURED,
        Outcome.WITHIN_THRESHOLDS,
        Outcome.TRIGGERED,
        Outcome.WOULD_TRIGGER,
    }
)
"""Outcomes that are final; a report with another one is assessed again."""
BREACHED = (frozenset(Outcome) - FINAL) | {Outcome.TRIGGERED, Outcome.WOULD_TRIGGER}
"""Outcomes of reports with a breach, whether or not it has started a training."""


class Window(Value):
    """The span of time that was measured."""

    model_config = rules(rule("self.start <= self.end", "start is after end; swap them", field_path=".start"))
    start: Instant = Field(description="Time of the oldest row measured.")
    end: Instant = Field(description="Time of the newest row measured.")


class Measurement(Value):
    """One measured metric."""

    name: Metric = Field(description="Name of the metric: psi, ks, mse, r2, drifted_share and so on.")
    feature: Column | None = Field(None, description="The feature that was measured, if the metric is about one.")
    value: Number = Field(description="The measured value.")
    standard_error: Number | None = Field(None, ge=0, description="Standard error of the value, if it is known.")
    chance: Number | None = Field(
        None,
        ge=0,
        le=1,
        description="How likely so great a value is without drift, corrected for all values that were compared with a "
        "limit. A value beyond its limit is a breach if its chance is at most 0.005, or if the report has no chance.",
    )

    @property
    def label(self) -> str:
        """The metric's name in messages."""
        return f"{self.name} of {self.feature}" if self.feature else self.name


class NotMeasured(Value):
    """A metric that has no value, and why."""

    metric: Metric = Field(description="Name of the metric.")
    reason: Sentence | None = Field(
        None, max_length=1000, description="Why, as a clause: no row of the window has a target."
    )


class OtherVersion(Value):
    """A version that was asked for the same rows as the one that the report is about."""

    model_version: Name = Field(description="Name of the ModelVersion.")
    metrics: list[Measurement] = Field([], max_length=50, description="Its metrics of quality on these rows.")


class DriftReportSpec(Value):
    """One measurement of how recent data differ from what the live version was trained on."""

    model_config = rules(
        rule(IMMUTABLE, "spec is immutable; create a new report"),
        rule(
            "!has(self.against) || (has(self.modelVersion) && self.modelVersion != self.against.modelVersion)",
            "against is another version than that of the report; name both, in modelVersion and in against.modelVersion",
            field_path=".against",
        ),
    )
    model_deployment: Name = Field(description="Name of the ModelDeployment, in the same namespace.")
    model_version: Name | None = Field(
        None, description="Name of the ModelVersion; default: the live version when the operator first sees the report."
    )
    window: Window | None = Field(None, description="The span of time that was measured.")
    samples: int = Field(ge=0, description="Number of rows measured.")
    rows_digest: str | None = Field(
        None,
        max_length=64,
        description="Digest of the rows measured, if the tool knows it. A later report about the same version with the "
        "same digest is a copy; without digest and window, one with equal numbers is a copy within ten minutes.",
    )
    source: str = Field("", max_length=253, description="Tool or person that measured.")
    metrics: list[Measurement] = Field([], max_length=2000, description="The measured metrics.")
    not_measured: list[NotMeasured] | None = Field(
        None, max_length=100, description="Metrics that a threshold asks for and that could not be measured."
    )
    against: OtherVersion | None = Field(
        None,
        description="The version that modelVersion replaces in a roll-out, asked for the rows that modelVersion answered. "
        "Such a report decides about that roll-out and the watch after it alone: by metrics of quality and by excess_loss. "
        "It starts no training.",
    )
    omitted: int | None = Field(None, ge=0, description="Number of measured metrics that did not fit into the report.")
    waiting: int | None = Field(
        None,
        ge=0,
        description="Number of captured rows among them that wait for their label, as the check of them says.",
    )
    details: str | None = Field(None, max_length=1024, description="Address of a page with details.")


class Breach(Value):
    """A metric beyond its limit."""

    metric: str = Field(description="Name of the metric.")
    feature: str | None = Field(None, description="The feature, if the metric is about one.")
    value: Number = Field(description="The measured value.")
    limit: Number = Field(description="The limit that was exceeded.")


class DriftReportStatus(Value):
    """Outcome of the report."""

    outcome: Outcome | None = Field(None, description="Outcome of the report.")
    message: Sentence | None = Field(None, description="Why, as a sentence.")
    model_version: str | None = Field(None, description="The ModelVersion for which the report was assessed.")
    breaches: list[Breach] | None = Field(None, description="The metrics beyond their limits.")
    not_measured: list[NotMeasured] | None = Field(
        None, max_length=100, description="Metrics of thresholds for which the report has no value."
    )
    candidate: str | None = Field(None, description="The ModelVersion whose training the report started.")
    assessed_at: Moment | None = Field(
        None,
        description="When an outcome was first recorded: later than those of before, also after a clock was set back.",
    )


class DriftReport(Kind):
    spec: DriftReportSpec
    status: DriftReportStatus = DriftReportStatus()

    @property
    def about(self) -> str | None:
        """The version that the report names, or for which it was assessed."""
        return self.status.model_version or self.spec.model_version
