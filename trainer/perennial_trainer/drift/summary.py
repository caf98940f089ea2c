"""Summarizes the drift of recent rows: the metrics in the order of a report, and the message."""

from collections.abc import Mapping
from dataclasses import dataclass

from msgspec import UNSET

from perennial_trainer.contract.metric_table import METRICS_BY_NAME
from perennial_trainer.contract.result import DriftMetric
from perennial_trainer.drift.column_drift import column_statistics
from perennial_trainer.drift.histogram import Histogram
from perennial_trainer.drift.statistics import DRIFTED, significant_share
from perennial_trainer.metrics.computation import Measurement

MIN_CHANGE = 0.001  # a smaller change of the share of missing values is not reported

Statistics = dict[str, float]


@dataclass(frozen=True)
class DriftSummary:
    """The drift by feature and of all features together, and the performance of the live version."""

    features: dict[str, Statistics]
    overall: dict[str, float]
    performance: dict[str, Measurement]
    message: str

    def ranked(self) -> list[DriftMetric]:
        """Performance, then overall drift, then each statistic by feature, the greatest drift first."""
        metrics = [
            DriftMetric(
                name=name,
                value=measurement.value,
                standard_error=UNSET if measurement.standard_error is None else measurement.standard_error,
            )
            for name, measurement in self.performance.items()
        ]
        metrics += [DriftMetric(name=name, value=round(value, 6)) for name, value in self.overall.items()]
        for name, entry in METRICS_BY_NAME.items():
            values = {feature: each[name] for feature, each in self.features.items() if _is_reported(name, each)}
            ordered = sorted(values.items(), key=lambda pair: pair[1], reverse=entry.better == "lower")
            metrics += [DriftMetric(name=name, feature=feature, value=round(value, 6)) for feature, value in ordered]
        return metrics


def summarize(
    features: Mapping[str, Histogram],
    others: Mapping[str, Histogram],
    reference_rows: int,
    performance: dict[str, Measurement],
    counts: str,
) -> DriftSummary:
    """The drift of n > 0 recent rows.

    `others` are the histograms of target and prediction; `counts` starts the message.
    """
    statistics = {name: column_statistics(each, reference_rows) for name, each in features.items()}
    psi = {name: each["psi"] for name, each in statistics.items()}
    drifted = [name for name, value in psi.items() if value > DRIFTED]
    highest = max(psi, key=lambda name: psi[name])
    p_values = [value for each in statistics.values() for name, value in each.items() if name in ("ks_p", "chi2_p")]
    overall = {
        "drifted_share": len(drifted) / len(psi),
        **{f"{name}_psi": column_statistics(each, reference_rows)["psi"] for name, each in others.items()},
        "significant_share": significant_share(p_values),
    }
    message = (
        f"{counts}: {len(drifted)} of {len(psi)} features have a psi above {DRIFTED}, "
        f"the highest is {psi[highest]:.3g} of {highest}"
    )
    for name, measurement in list(performance.items())[:1]:
        message += f"; {name} {measurement.value:.6g}"
    return DriftSummary(statistics, overall, performance, message)


def _is_reported(name: str, statistics: Statistics) -> bool:
    """A share of missing or new values is reported if it has changed, any other statistic if it is defined."""
    if name == "missing_share":
        return abs(statistics["missing_share"] - statistics["missing_before"]) >= MIN_CHANGE
    return name in statistics and (name != "new_share" or statistics[name] > 0)
