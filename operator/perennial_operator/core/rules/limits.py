"""The limit of a metric of a drift report: one answer for the verdict, the exported metrics and the kubectl plugin."""

from __future__ import annotations

from dataclasses import dataclass
from math import hypot
from typing import Literal

from perennial_operator.core.api.drift_report import Measurement
from perennial_operator.core.api.metric_table import CHANCE_LEVEL
from perennial_operator.core.api.model_version import Metrics
from perennial_operator.core.api.thresholds import DriftThreshold


@dataclass(frozen=True, slots=True)
class Baseline:
    """A metric of the live version at its validation."""

    value: float
    standard_error: float = 0.0


@dataclass(frozen=True, slots=True)
class Growth:
    """How much a metric may grow: by a share of its baseline or by its standard errors, whichever is more."""

    baseline: float
    share: float
    sigmas: float
    standard_error: float
    """Of the difference: the two values come from different rows, so the variances of their errors add up."""

    @property
    def limit(self) -> float:
        return max(self.baseline * (1 + self.share), self.baseline + self.sigmas * self.standard_error)


@dataclass(frozen=True, slots=True)
class Limit:
    """The greatest value (`max`) or the smallest value (`min`) that passes."""

    side: Literal["max", "min"]
    value: float
    growth: Growth | None = None
    """Set where `maxIncrease` makes the limit."""

    def excess(self, measured: float) -> float:
        """How far a value is beyond the limit; at most 0 if it passes."""
        return measured - self.value if self.side == "max" else self.value - measured

    def is_crossed(self, measured: float) -> bool:
        return self.excess(measured) > 0


def limit_for(threshold: DriftThreshold, measurement: Measurement, baseline: Baseline | None) -> Limit | None:
    """The limit that the measurement is beyond, or else the nearest one; None if the threshold cannot be applied.

    `maxIncrease` cannot be applied without a baseline, nor `sigmas` without a standard error.
    """
    limits = [Limit("max", threshold.max)] if threshold.max is not None else []
    limits += [Limit("min", threshold.min)] if threshold.min is not None else []
    if growth := _growth(threshold, measurement, baseline):
        limits.append(Limit("max", growth.limit, growth))
    return max(limits, key=lambda limit: limit.excess(measurement.value), default=None)


def is_beyond_chance(measurement: Measurement) -> bool:
    """Whether a value beyond its limit is a breach; without a chance the limit alone decides."""
    return measurement.chance is None or measurement.chance <= CHANCE_LEVEL


def _growth(threshold: DriftThreshold, measurement: Measurement, baseline: Baseline | None) -> Growth | None:
    if threshold.max_increase is None or baseline is None or lacks_standard_error(threshold, measurement):
        return None
    error = hypot(measurement.standard_error or 0.0, baseline.standard_error)
    return Growth(baseline.value, threshold.max_increase, threshold.sigmas or 0.0, error)


def lacks_standard_error(threshold: DriftThreshold, measurement: Measurement) -> bool:
    """Whether `sigmas` needs a standard error that the report does not have."""
    return bool(threshold.sigmas) and measurement.standard_error is None


def baseline_of(metrics: Metrics | None, name: str) -> Baseline | None:
    """The metric in the status of the live version, or None if it was not measured at the validation."""
    value = metrics.candidate.get(name) if metrics else None
    if metrics is None or value is None:
        return None
    return Baseline(value, (metrics.standard_errors or {}).get(name, 0.0))
