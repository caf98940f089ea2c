"""The measurements of a report beside its thresholds: which are beyond their limits, and what was not measured?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from perennial_operator.core.api.drift_report import OWN_SOURCE, Breach, DriftReport, Measurement, NotMeasured
from perennial_operator.core.api.metric_table import EXCESS_LOSS, REGRET, WEIGHTS_REGRET
from perennial_operator.core.api.model_version import ModelVersion
from perennial_operator.core.api.thresholds import QUALITY_METRICS, DriftThreshold
from perennial_operator.core.api.values import shown
from perennial_operator.core.rules.data_quality import MISSING
from perennial_operator.core.rules.limits import Growth, baseline_of, is_beyond_chance, limit_for

OF_VERSIONS = frozenset({*QUALITY_METRICS, EXCESS_LOSS})
"""Metrics that say how good a version is beside another one; the others are about the rows."""
Pair = tuple[DriftThreshold, Measurement]
"""A threshold and a measurement that it applies to."""
MAX_NAMED = 3
WITHOUT_CHANCE = frozenset({*QUALITY_METRICS, MISSING, REGRET, WEIGHTS_REGRET, EXCESS_LOSS})
"""Metrics that have no chance: their errors are allowed for by `sigmas`, or in the sum of regrets."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """What the thresholds say about a report, each with a sentence."""

    breaches: tuple[tuple[Breach, str], ...]
    """Beyond the limit and, where the report has a chance, beyond chance."""
    by_chance: tuple[str, ...]
    """Beyond the limit, which may be chance."""
    without_chance: bool
    """Whether a breach was judged by its limit alone."""
    not_measured: tuple[NotMeasured, ...]
    """The thresholds without a measurement."""
    nearest: str
    """Of each threshold the measurement nearest to its limit."""

    @property
    def breach_message(self) -> str:
        alone = "; judged by the limit alone: the report has no chance" if self.without_chance else ""
        return f"{some([text for _, text in self.breaches])}{alone}"

    @property
    def within_message(self) -> str:
        chance = f"; beyond the limit, but within chance: {some(self.by_chance)}" if self.by_chance else ""
        return f"within thresholds: {self.nearest}{chance}" if self.nearest else ""

    @property
    def missing_message(self) -> str:
        return "; ".join(f"{each.metric} was not measured: {each.reason}" for each in self.not_measured[:MAX_NAMED])


def some(texts: Sequence[str]) -> str:
    others = len(texts) - MAX_NAMED
    return "; ".join(texts[:MAX_NAMED]) + (f"; and {others} more" if others > 0 else "")


def thresholds_for(thresholds: Sequence[DriftThreshold], *, against: bool) -> list[DriftThreshold]:
    """Those about a report: with `against` about one that compares a version with another on the same rows."""
    return [each for each in thresholds if (each.metric in OF_VERSIONS if against else each.metric != EXCESS_LOSS)]


def pairs_of(thresholds: Sequence[DriftThreshold], report: DriftReport) -> list[Pair]:
    return [
        (each, metric)
        for each in thresholds
        for metric in report.spec.metrics
        if each.concerns(metric.name, metric.feature)
    ]


def compare(
    thresholds: Sequence[DriftThreshold], report: DriftReport, pairs: Sequence[Pair], version: ModelVersion
) -> Comparison:
    crossed = [
        (metric, breach) for threshold, metric in pairs if (breach := _crossed_limit(threshold, metric, version))
    ]
    breaches = [(metric, breach) for metric, breach in crossed if is_beyond_chance(metric)]
    return Comparison(
        breaches=tuple(breach for _, breach in breaches),
        by_chance=tuple(
            f"{text} (chance {metric.chance:.3g})" for metric, (_, text) in crossed if not is_beyond_chance(metric)
        ),
        without_chance=any(metric.chance is None and metric.name not in WITHOUT_CHANCE for metric, _ in breaches),
        not_measured=_not_measured(thresholds, report, pairs),
        nearest=_nearest(thresholds, pairs),
    )


def _crossed_limit(threshold: DriftThreshold, metric: Measurement, version: ModelVersion) -> tuple[Breach, str] | None:
    """The limit that the measurement is beyond and a sentence about it, or None."""
    limit = limit_for(threshold, metric, baseline_of(version.status.metrics, metric.name))
    if limit is None or not limit.is_crossed(metric.value):
        return None
    side = "above" if limit.side == "max" else "below"
    message = f"{metric.label} is {shown(metric.value)}, {side} {shown(limit.value)}"
    if limit.growth:
        message += f": {_allowed(limit.growth, version.name)}"
    return Breach(metric=metric.name, feature=metric.feature, value=metric.value, limit=limit.value), message


def _allowed(growth: Growth, version: str) -> str:
    """`100 when bike-v1 was validated, plus the greater of 5 (maxIncrease 0.05) and 23 (sigmas 3 times …)`."""
    allowed = f"{shown(growth.baseline * growth.share)} (maxIncrease {growth.share:g})"
    if growth.sigmas:
        error = growth.standard_error
        by_error = f"{shown(growth.sigmas * error)} (sigmas {growth.sigmas:g} times standard error {shown(error)})"
        allowed = f"the greater of {allowed} and {by_error}"
    return f"{shown(growth.baseline)} when {version} was validated, plus {allowed}"


def _not_measured(
    thresholds: Sequence[DriftThreshold], report: DriftReport, pairs: Sequence[Pair]
) -> tuple[NotMeasured, ...]:
    """The thresholds without a measurement, or without one of each feature that they name.

    Each metric once, with the report's reason or else a plain one. A report of an own check has only the deciding value
    of a threshold, and says itself which features it lacks.
    """
    reasons = {each.metric: each.reason for each in report.spec.not_measured or ()}
    missing: dict[str, NotMeasured] = {}
    for threshold in thresholds:
        metric = threshold.metric
        measured = {measurement.feature for each, measurement in pairs if each is threshold}
        absent = [] if None in measured else [name for name in threshold.features or () if name not in measured]
        if not measured or (absent and (metric in reasons or report.spec.source != OWN_SOURCE)):
            lacking = f"{metric} of {', '.join(absent[:MAX_NAMED])}" if absent else threshold.label
            reason = reasons.get(metric) or f"the report has no value of {lacking}"
            missing.setdefault(metric, NotMeasured(metric=metric, reason=reason))
    return tuple(missing.values())


def _nearest(thresholds: Sequence[DriftThreshold], pairs: Sequence[Pair]) -> str:
    """For each threshold, the measurement that comes nearest to its limit."""
    nearest = []
    for threshold in thresholds:
        measurements = [metric for each, metric in pairs if each is threshold]
        if measurements:
            low = threshold.max is None and threshold.min is not None
            closest = (min if low else max)(measurements, key=lambda metric: metric.value)
            nearest.append(f"{closest.label} {shown(closest.value)}")
    return ", ".join(dict.fromkeys(nearest))
