"""When are the recent rows too bad to say anything about drift, and which field decides so?"""

from __future__ import annotations

from typing import Any

import pytest

from perennial_operator.core.api.drift import DataQuality
from perennial_operator.core.api.drift_report import DriftReport, Outcome
from perennial_operator.core.rules.data_quality import (
    Defect,
    bad_data_streaks,
    bad_values,
    limits_as_thresholds,
    outdated_rows,
)
from tests.builders import a_report

MISSING, NEW, AGE = (f"spec.drift.quality.{name}" for name in ("maxMissing", "maxNew", "maxAge"))
LATE = {"window": {"start": "2026-11-23T10:00:00Z", "end": "2026-11-23T11:30:00Z"}}
BAD, GOOD, STALE = Outcome.BAD_DATA, Outcome.WITHIN_THRESHOLDS, Outcome.STALE


def measured(name: str, **values: float) -> list[dict[str, Any]]:
    return [{"name": name, "feature": feature, "value": value} for feature, value in values.items()]


def report_with(**spec: Any) -> DriftReport:
    report = a_report(spec=spec).whole
    assert report
    return report


@pytest.mark.parametrize(
    ("metrics", "quality", "defect"),
    [
        (measured("missing_increase", a=0.2), {}, None),
        (measured("missing_increase", a=1.0) + measured("new_share", a=0.9), {"maxMissing": 1}, None),
        (
            measured("missing_increase", a=0.3) + measured("new_share", a=0.9),
            {},
            Defect(f"a is missing in 30% more of the rows than in training, and {MISSING} is 0.2", MISSING),
        ),
        (
            measured("missing_increase", a=0.3, b=0.6, c=0.5, d=0.4, e=0.3),
            {"maxMissing": 0.25},
            Defect(
                "b is missing in 60% more of the rows, c is missing in 50% more of the rows, d is missing in 40% more of "
                f"the rows and 2 more features than in training, and {MISSING} is 0.25",
                MISSING,
            ),
        ),
        (
            [{"name": "missing_increase", "value": 0.3}],
            {},
            Defect(f"a feature is missing in 30% more of the rows than in training, and {MISSING} is 0.2", MISSING),
        ),
        ([{"name": "missing_increase", "feature": "a", "value": 0.3, "chance": 0.5}], {}, None),
        (measured("new_share", a=0.5), {"maxNew": 0.5}, None),
        (
            measured("new_share", a=0.5, b=0.7, c=0.6, d=0.5) + [{"name": "new_share", "value": 0.9}],
            {"maxNew": 0.4},
            Defect(
                "values that are new since training: a feature in 90%, b in 70%, c in 60% and 2 more features of the "
                f"rows, and {NEW} is 0.4",
                NEW,
            ),
        ),
        (
            measured("new_share", a=0.5, b=0.7, c=0.6),
            {"maxNew": 0.4},
            Defect(
                f"values that are new since training: b in 70%, c in 60%, a in 50% of the rows, and {NEW} is 0.4", NEW
            ),
        ),
    ],
)
def test_values_beyond_a_limit_are_named_the_worst_first(
    metrics: list[dict[str, Any]], quality: dict[str, Any], defect: Defect | None
) -> None:
    assert bad_values(report_with(metrics=metrics), DataQuality.model_validate(quality)) == defect


@pytest.mark.parametrize(
    ("report", "age", "defect"),
    [
        ({"samples": 0}, None, None),
        ({"samples": 0}, "2h", Defect(f"there is no row, and {AGE} is 2h", AGE)),
        ({}, "1h", None),
        (LATE, None, None),
        (LATE, "90m", None),
        (
            LATE,
            "89m",
            Defect(f"the newest row is of 2026-11-23 11:30:00, and {AGE} is 89m: nothing has been written since", AGE),
        ),
    ],
)
def test_rows_older_than_the_greatest_age_are_bad(report: Any, age: str | None, defect: Defect | None) -> None:
    assert outdated_rows(report_with(**report), DataQuality.model_validate({"maxAge": age})) == defect


@pytest.mark.parametrize(
    ("quality", "limits"),
    [
        (
            {"maxMissing": 0.3, "maxNew": 0},
            [{"metric": "missing_increase", "max": 0.3}, {"metric": "new_share", "max": 0}],
        ),
        ({"maxMissing": 1, "maxNew": 1}, []),
        ({"maxMissing": 1, "maxNew": 0.5}, [{"metric": "new_share", "max": 0.5}]),
    ],
)
def test_check_judges_by_the_limits_that_allow_less_than_all(quality: Any, limits: list[dict[str, Any]]) -> None:
    assert limits_as_thresholds(DataQuality.model_validate(quality)) == limits


def test_reports_that_say_nothing_leave_the_streak_of_bad_data() -> None:
    outcomes = (STALE, GOOD, BAD, STALE, None, BAD, GOOD, BAD)
    streaks = bad_data_streaks((str(n), each) for n, each in enumerate(outcomes))
    assert streaks == dict(zip("01234567", (0, 0, 1, 1, 1, 2, 0, 1), strict=True))
