"""The gauges of each model, in the format of Prometheus."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from prometheus_client.core import GaugeMetricFamily

from perennial_operator.cluster.cache_entry import Key
from perennial_operator.core.status.measures import ModelGauges

MODEL = ["namespace", "model"]
SINCE = {
    "live_since": ("live_version_age_seconds", "Seconds since the live version went live."),
    "newest_row": ("newest_row_age_seconds", "Seconds since the newest row that a report has measured."),
    "last_good_check": ("last_good_check_age_seconds", "Seconds since the last report that could be judged."),
    "last_upkeep": (
        "last_upkeep_age_seconds",
        "Seconds since the last upkeep that succeeded, or, before there is one, since the live version went live.",
    ),
    "awaits_approval_since": ("awaiting_approval_seconds", "Seconds that a candidate has awaited approval."),
}
"""Field of ModelGauges, a time → the gauge of the seconds since then."""
AMOUNTS = {
    "ready_replicas": ("ready_replicas", "Serving pods that are ready."),
    "wanted_replicas": ("wanted_replicas", "spec.serving.replicas."),
}


def families_of(models: Mapping[Key, ModelGauges], now: datetime) -> Iterable[GaugeMetricFamily]:
    """Each gauge with one value for each model that has one."""
    since = {field: _family(*each) for field, each in SINCE.items()}
    amounts = {field: _family(*each) for field, each in AMOUNTS.items()}
    interval = _family("check_interval_seconds", "Seconds between two of the operator's own drift checks.")
    bad = _family("bad_data_reports", "How many of the newest reports in a row had bad data.")
    for key, gauges in models.items():
        for field, family in since.items():
            if at := getattr(gauges, field):
                family.add_metric(key, max(0.0, (now - at).total_seconds()))
        for field, family in amounts.items():
            family.add_metric(key, getattr(gauges, field))
        if gauges.check_interval:
            interval.add_metric(key, gauges.check_interval.total_seconds())
        if gauges.live_since:
            bad.add_metric(key, gauges.bad_data_reports)
    return *since.values(), *amounts.values(), interval, bad, *_by_metric(models)


def _by_metric(models: Mapping[Key, ModelGauges]) -> Iterable[GaugeMetricFamily]:
    value = _family("drift_value", "The newest report's value that is nearest to its limit or beyond it.", "metric")
    limit = _family("drift_limit", "The limit of that value.", "metric")
    missing = _family(
        "drift_not_measured",
        "1 if the newest report has no value of a metric that a threshold asks for, else 0.",
        "metric",
    )
    for key, gauges in models.items():
        for watched in gauges.watched:
            value.add_metric([*key, watched.metric], watched.value)
            limit.add_metric([*key, watched.metric], watched.limit)
        for metric, is_missing in gauges.not_measured.items():
            missing.add_metric([*key, metric], is_missing)
    return value, limit, missing


def _family(name: str, text: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"perennial_{name}", text, labels=[*MODEL, *labels])
