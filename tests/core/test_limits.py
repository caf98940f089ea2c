"""The verdict, the exported metric and the kubectl plugin compare a measurement with the same limit."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubectl_perennial.views.limits import limit_rows
from perennial_operator.core.api.drift_report import Measurement, Outcome
from perennial_operator.core.api.model_version import Metrics
from perennial_operator.core.api.thresholds import DriftThreshold
from perennial_operator.core.rules.limits import Baseline, limit_for
from perennial_operator.core.rules.report_verdict import Verdict, judge
from perennial_operator.core.status.measures import WatchedMetric, watched_metrics
from tests.builders import a_deployment, a_report, a_version, a_world

MSE_100 = {"candidate": {"mse": 100.0}, "standardErrors": {"mse": 3.0}}
NO_ERRORS = {"candidate": {"mse": 100.0}}
MISSING: dict[str, Any] = {"candidate": {"r2": 0.8}}
Answers = tuple[Verdict, tuple[WatchedMetric, ...], list[dict[str, Any]]]


def answers(thresholds: list[Any], metrics: list[Any], baseline: Any) -> Answers:
    """What the verdict, the exported metric and the plugin say of one report."""
    report = a_report(spec={"modelVersion": "bike-v1", "metrics": metrics}, status={"outcome": "Breach"})
    live = a_version(1, creationTimestamp="2026-11-20T12:00:00Z")
    status = live.status.model_copy(update={"metrics": baseline and Metrics.model_validate(baseline)})
    live = live.model_copy(update={"status": status})
    deployment = a_deployment(spec={"drift": {"thresholds": thresholds}})
    world = a_world(deployment=deployment, versions=(live,), reports=(report,))
    rows = limit_rows(thresholds, {"spec": {"metrics": metrics}}, {"status": {"metrics": baseline}})
    assert report.whole
    return judge(report.whole, world), watched_metrics(world), rows


def psi(value: float, feature: str = "temp") -> dict[str, Any]:
    return {"name": "psi", "feature": feature, "value": value}


GROWTH = {"metric": "mse", "maxIncrease": 0.05}
SIGMAS = {**GROWTH, "sigmas": 3}


@pytest.mark.parametrize(
    ("threshold", "baseline", "error", "value", "limit", "outcome"),
    [
        ({"metric": "psi", "max": 0.2}, None, None, 0.2, 0.2, "WithinThresholds"),
        ({"metric": "psi", "max": 0.2}, None, None, 0.21, 0.2, "Breach"),
        ({"metric": "r2", "min": 0.7}, MISSING, None, 0.7, 0.7, "WithinThresholds"),
        ({"metric": "r2", "min": 0.7}, MISSING, None, 0.69, 0.7, "Breach"),
        ({"metric": "drifted_share", "min": 0.1, "max": 0.5}, None, None, 0.05, 0.1, "Breach"),
        ({"metric": "drifted_share", "min": 0.1, "max": 0.5}, None, None, 0.6, 0.5, "Breach"),
        ({"metric": "drifted_share", "min": 0.1, "max": 0.5}, None, None, 0.2, 0.1, "WithinThresholds"),
        (GROWTH, NO_ERRORS, None, 105.0, 105.0, "WithinThresholds"),
        (GROWTH, NO_ERRORS, None, 106.0, 105.0, "Breach"),
        (GROWTH, MSE_100, 4.0, 106.0, 105.0, "Breach"),
        (GROWTH, MISSING, None, 106.0, None, "Invalid"),
        (GROWTH, None, None, 106.0, None, "Invalid"),
        (SIGMAS, MSE_100, 4.0, 115.0, 115.0, "WithinThresholds"),
        (SIGMAS, MSE_100, 4.0, 116.0, 115.0, "Breach"),
        (SIGMAS, MSE_100, 0.0, 110.0, 109.0, "Breach"),
        (SIGMAS, NO_ERRORS, 4.0, 113.0, 112.0, "Breach"),
        ({**SIGMAS, "sigmas": 1}, MSE_100, 4.0, 106.0, 105.0, "Breach"),
        ({**SIGMAS, "sigmas": 0}, MSE_100, None, 106.0, 105.0, "Breach"),
        (SIGMAS, MSE_100, None, 200.0, None, "Invalid"),
        (SIGMAS, MISSING, 4.0, 200.0, None, "Invalid"),
        ({**GROWTH, "max": 200}, MSE_100, None, 150.0, 105.0, "Breach"),
        ({**GROWTH, "max": 200}, MSE_100, None, 250.0, 105.0, "Breach"),
        ({**GROWTH, "max": 90}, MSE_100, None, 104.0, 90.0, "Breach"),
        ({**SIGMAS, "max": 110}, MSE_100, 4.0, 112.0, 110.0, "Breach"),
        ({**GROWTH, "max": 200}, MISSING, None, 150.0, 200.0, "Invalid"),
        ({**SIGMAS, "max": 200}, MSE_100, None, 150.0, 200.0, "Invalid"),
    ],
)
def test_verdict_metric_and_plugin_agree_on_the_limit(
    threshold: Any, baseline: Any, error: float | None, value: float, limit: float | None, outcome: str
) -> None:
    metric = {"name": threshold["metric"], "value": value} | ({} if error is None else {"standardError": error})
    verdict, watched, rows = answers([threshold], [metric], baseline)
    assert verdict.outcome == outcome
    assert [breach.limit for breach in verdict.breaches] == ([limit] if outcome == "Breach" else [])
    assert [(each.value, each.limit) for each in watched] == ([] if limit is None else [(value, limit)])
    assert [(row["value"], row["limit"]) for row in rows] == ([] if limit is None else [(value, limit)])
    if outcome != "Invalid":
        assert [row["beyond"] for row in rows] == [outcome == "Breach"]


number = st.floats(0, 1e6)


@given(value=number, error=number, baseline=number, old_error=number, share=st.floats(0, 100), sigmas=st.floats(0, 100))
def test_a_breach_is_exported_and_shown_beyond_its_limit(
    value: float, error: float, baseline: float, old_error: float, share: float, sigmas: float
) -> None:
    thresholds = [{"metric": "mse", "maxIncrease": share, "sigmas": sigmas}]
    metrics = {"candidate": {"mse": baseline}, "standardErrors": {"mse": old_error}}
    metric = {"name": "mse", "value": value, "standardError": error}
    verdict, (watched,), (row,) = answers(thresholds, [metric], metrics)
    exceeds = value > baseline * (1 + share) and value > baseline + sigmas * (error**2 + old_error**2) ** 0.5 * 1.0001
    assert not exceeds or verdict.outcome is Outcome.BREACH
    assert (verdict.outcome is Outcome.BREACH) == (watched.value > watched.limit) == row["beyond"]
    assert watched.limit == row["limit"]


@pytest.mark.parametrize(
    ("thresholds", "metrics", "watched"),
    [
        ([{"metric": "psi", "max": 0.2}], [psi(0.1), psi(0.3, "hum"), psi(0.2, "wind")], (0.3, 0.2)),
        ([{"metric": "psi", "max": 0.5}, {"metric": "psi", "max": 0.2}], [psi(0.3)], (0.3, 0.2)),
        ([{"metric": "psi", "max": 0.2}, {"metric": "psi", "max": 0.5}], [psi(0.3)], (0.3, 0.2)),
        ([{"metric": "psi", "max": 0.2, "features": ["temp"]}], [psi(0.3), psi(0.1, "hum")], (0.3, 0.2)),
        ([{"metric": "psi", "max": 0.2, "features": ["hum"]}], [psi(0.3), psi(0.1, "hum")], (0.1, 0.2)),
        ([{"metric": "other", "min": 1, "max": 9}], [{"name": "other", "value": 0.5}], (0.5, 1.0)),
        ([{"metric": "psi", "max": 0.2}], [{"name": "ks", "value": 0.9}], None),
    ],
)
def test_exported_value_is_the_one_nearest_to_its_limit(thresholds: Any, metrics: Any, watched: Any) -> None:
    _, exported, _ = answers(thresholds, metrics, None)
    assert [(each.value, each.limit) for each in exported] == ([watched] if watched else [])


def test_no_limit_without_live_version_drift_or_report() -> None:
    live, report = a_version(1), a_report(spec={"modelVersion": "bike-v1"}, status={"outcome": "Breach"})
    assert watched_metrics(a_world(versions=(live,), reports=(report,)))
    assert not watched_metrics(a_world(reports=(report,)))
    assert not watched_metrics(a_world(versions=(live,)))
    assert not watched_metrics(a_world(versions=(live,), reports=(a_report(spec={"modelVersion": "bike-v1"}),)))
    no_drift = a_deployment(spec={"drift": None})
    assert not watched_metrics(a_world(deployment=no_drift, versions=(live,), reports=(report,)))


def test_errors_of_both_measurements_add_up_as_variances() -> None:
    threshold = DriftThreshold(metric="mse", max_increase=0, sigmas=2)
    limit = limit_for(threshold, Measurement(name="mse", value=1, standard_error=4), Baseline(100, 3))
    assert limit
    assert limit.value == 110


@pytest.mark.parametrize(
    ("value", "side", "limit", "excess"), [(0.05, "min", 0.1, 0.05), (0.2, "min", 0.1, -0.1), (0.6, "max", 0.5, 0.1)]
)
def test_limit_has_a_side_and_an_excess(value: float, side: str, limit: float, excess: float) -> None:
    threshold = DriftThreshold(metric="drifted_share", min=0.1, max=0.5)
    nearest = limit_for(threshold, Measurement(name="drifted_share", value=value), None)
    assert nearest
    assert (nearest.side, nearest.value, nearest.growth) == (side, limit, None)
    assert nearest.excess(value) == pytest.approx(excess)
