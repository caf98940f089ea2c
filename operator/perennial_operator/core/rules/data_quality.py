"""Are the recent rows of a report too bad to say anything about drift?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from perennial_operator.core.api.drift import DataQuality
from perennial_operator.core.api.drift_report import DriftReport, Measurement, Outcome
from perennial_operator.core.api.values import as_delta
from perennial_operator.core.rules.limits import is_beyond_chance

MISSING, NEW = "missing_increase", "new_share"
"""The metrics by which the limits of spec.drift.quality judge."""
PERSISTENT = 3
"""From this many reports in a row on, bad data need a person: the data or the limit must change."""
SAYS_NOTHING = frozenset({None, Outcome.DUPLICATE, Outcome.INVALID, Outcome.STALE, Outcome.TOO_FEW_SAMPLES})
"""Outcomes of reports that do not say whether the data are bad."""
MAX_NAMED = 3


@dataclass(frozen=True, slots=True)
class Defect:
    """What is wrong with the data, and the field of spec that decides so."""

    message: str
    field: str


def outdated_rows(report: DriftReport, quality: DataQuality) -> Defect | None:
    """Why the newest row is too old, or None."""
    field = "spec.drift.quality.maxAge"
    if quality.max_age is None:
        return None
    if report.spec.samples == 0:
        return Defect(f"there is no row, and {field} is {quality.max_age}", field)
    end = report.spec.window.end if report.spec.window else None
    if end is None or report.metadata.creation_timestamp - end <= as_delta(quality.max_age):
        return None
    message = f"the newest row is of {end:%Y-%m-%d %H:%M:%S}, and {field} is {quality.max_age}"
    return Defect(f"{message}: nothing has been written since", field)


def bad_values(report: DriftReport, quality: DataQuality) -> Defect | None:
    """Why too many values are missing or new, or None."""
    missing = _exceeding(report, MISSING, quality.max_missing)
    if missing:
        rows = [f"{each.feature or 'a feature'} is missing in {each.value:.0%} more of the rows" for each in missing]
        field = "spec.drift.quality.maxMissing"
        return Defect(f"{_some(rows)} than in training, and {field} is {quality.max_missing:g}", field)
    new = _exceeding(report, NEW, quality.max_new)
    if new and quality.max_new is not None:
        rows = [f"{each.feature or 'a feature'} in {each.value:.0%}" for each in new]
        field = "spec.drift.quality.maxNew"
        return Defect(
            f"values that are new since training: {_some(rows)} of the rows, and {field} is {quality.max_new:g}", field
        )
    return None


def limits_as_thresholds(quality: DataQuality) -> list[dict[str, Any]]:
    """The limits that a check has to judge by; one that allows everything is left out."""
    limits = ((MISSING, quality.max_missing), (NEW, quality.max_new))
    return [{"metric": metric, "max": limit} for metric, limit in limits if limit is not None and limit < 1]


def bad_data_streaks(outcomes: Iterable[tuple[str, Outcome | None]]) -> Mapping[str, int]:
    """Name of each report, the oldest first → how many reports in a row up to it have bad data."""
    streaks, streak = {}, 0
    for name, outcome in outcomes:
        if outcome is Outcome.BAD_DATA:
            streak += 1
        elif outcome not in SAYS_NOTHING:
            streak = 0
        streaks[name] = streak
    return streaks


def _exceeding(report: DriftReport, metric: str, limit: float | None) -> list[Measurement]:
    """The measurements beyond the limit, the greatest first."""
    if limit is None:
        return []
    exceeding = [each for each in report.spec.metrics if each.name == metric and each.value > limit]
    return sorted(filter(is_beyond_chance, exceeding), key=lambda each: each.value, reverse=True)


def _some(items: list[str]) -> str:
    more = f" and {len(items) - MAX_NAMED} more features" if len(items) > MAX_NAMED else ""
    return ", ".join(items[:MAX_NAMED]) + more
