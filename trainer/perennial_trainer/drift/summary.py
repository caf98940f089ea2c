"""Summarizes the drift of recent rows: the metrics in the order of a report, and the message."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from perennial_trainer.contract.metric_table import METRICS_BY_NAME
from perennial_trainer.contract.result import DriftMetric
from perennial_trainer.contract.thresholds import Threshold
from perennial_trainer.drift.column_drift import column_statistics
from perennial_trainer.drift.histogram import Histogram
from perennial_trainer.drift.judged import (
    Judged,
    Measured,
    drifted_features,
    judge_thresholds,
    metric_of,
    p_values,
)
from perennial_trainer.drift.statistics import DRIFTED, significant_share
from perennial_trainer.metrics.computation import Measurement

MIN_CHANGE = 0.001  # a smaller change of the share of missing values is not reported

Statistics = dict[str, float]


@dataclass(frozen=True)
class DriftSummary:
    """The drift by feature and of all features together, the performance, and what the thresholds are about."""

    features: dict[str, Statistics]
    overall: dict[str, float]
    performance: Mapping[str, Measurement]
    judged: Judged
    message: str

    def ranked(self) -> list[DriftMetric]:
        """What decides, what is beyond a limit, performance, overall drift, then each statistic, the greatest first."""
        metrics = [metric_of(name, measurement) for name, measurement in self.performance.items()]
        metrics += [DriftMetric(name=name, value=round(value, 6)) for name, value in self.overall.items()]
        for name, entry in METRICS_BY_NAME.items():
            values = {feature: each[name] for feature, each in self.features.items() if _is_reported(name, each)}
            ordered = sorted(values.items(), key=lambda pair: pair[1], reverse=entry.better == "lower")
            metrics += [DriftMetric(name=name, feature=feature, value=round(value, 6)) for feature, value in ordered]
        judged = {(each.name, each.feature): each for each in (*self.judged.deciding, *self.judged.exceeded) if each}
        others = {(each.name, each.feature): each for each in metrics}
        return [*judged.values(), *(each for key, each in others.items() if key not in judged)]


def summarize(
    features: Mapping[str, Histogram],
    others: Mapping[str, Sequence[Histogram]],
    reference_rows: int,
    performance: Mapping[str, Measurement],
    counts: str,
    thresholds: Sequence[Threshold] = (),
    labelled: int = 0,
    new_class_share: float | None = None,
) -> DriftSummary:
    """The drift of n > 0 recent rows.

    `others` are the histograms of target and predictions, of which the greatest psi counts; `counts` starts the
    message, and `labelled` rows have a target.
    """
    statistics = {name: column_statistics(each, reference_rows) for name, each in features.items()}
    psi = {name: each["psi"] for name, each in statistics.items()}
    drifted = drifted_features(statistics, features, reference_rows)
    highest = max(psi, key=lambda name: psi[name])
    overall = {
        "drifted_share": len(drifted) / len(psi),
        **{f"{name}_psi": _greatest_psi(each, reference_rows) for name, each in others.items()},
        "significant_share": significant_share(list(p_values(statistics))),
    }
    if new_class_share is not None:
        overall["new_class_share"] = new_class_share
    of_others = {f"{name}_psi": each for name, each in others.items()}
    measured = Measured(performance, statistics, overall, features, of_others, reference_rows)
    judged = judge_thresholds(thresholds, measured, labelled)
    message = (
        f"{counts}: {len(drifted)} of {len(psi)} features have a psi above {DRIFTED}, "
        f"the highest is {psi[highest]:.3g} of {highest}"
    )
    if new_class_share:
        message += f"; {new_class_share:.1%} of the rows with a target have a class that training did not know"
    for name, measurement in list(performance.items())[:1]:
        message += f"; {name} {measurement.value:.6g}"
    return DriftSummary(statistics, overall, performance, judged, message)


def _greatest_psi(histograms: Sequence[Histogram], reference_rows: int) -> float:
    return max(column_statistics(each, reference_rows)["psi"] for each in histograms)


def _is_reported(name: str, statistics: Statistics) -> bool:
    """A share of missing or new values is reported if it has changed, any other statistic if it is defined."""
    if name == "missing_share":
        return abs(statistics["missing_increase"]) >= MIN_CHANGE
    return name in statistics and name != "missing_increase" and (name != "new_share" or statistics[name] > 0)
