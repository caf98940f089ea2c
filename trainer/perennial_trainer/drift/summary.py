"""What a comparison of recent rows with a reference has found, most telling first."""

from collections.abc import Mapping
from dataclasses import dataclass

from msgspec import UNSET

from perennial_trainer.contract.metric_table import METRICS_BY_NAME
from perennial_trainer.contract.result import DriftMetric
from perennial_trainer.drift.column_drift import column_statistics
from perennial_trainer.drift.histogram import Histogram
from perennial_trainer.drift.statistics import DRIFTED, significant_share
from perennial_trainer.metrics.computation import Measurement

CHANGED = 0.001  # a change of the share missing that is worth a line

Statistics = dict[str, float]


@dataclass(frozen=True)
class DriftSummary:
    """What has moved, by feature and as a whole, and how good the live version still is."""

    features: dict[str, Statistics]
    whole: dict[str, float]
    measures: dict[str, Measurement]
    message: str

    def ranked(self) -> list[DriftMetric]:
        """Performance, the whole, then by feature what has moved most; p-values are told last."""
        metrics = [
            DriftMetric(
                name=name, value=m.value, standard_error=UNSET if m.standard_error is None else m.standard_error
            )
            for name, m in self.measures.items()
        ]
        metrics += [DriftMetric(name=name, value=round(value, 6)) for name, value in self.whole.items()]
        for name, entry in METRICS_BY_NAME.items():
            values = {feature: each[name] for feature, each in self.features.items() if _told(name, each)}
            ordered = sorted(values.items(), key=lambda pair: pair[1], reverse=entry.better == "lower")
            metrics += [DriftMetric(name=name, feature=feature, value=round(value, 6)) for feature, value in ordered]
        return metrics


def summarize(
    features: Mapping[str, Histogram],
    others: Mapping[str, Histogram],
    rows: int,
    measures: dict[str, Measurement],
    told: str,
) -> DriftSummary:
    """What of n > 0 recent rows differs from a reference of so many rows; `others` are the target and the like."""
    moved = {name: column_statistics(each, rows) for name, each in features.items()}
    psi = {name: each["psi"] for name, each in moved.items()}
    drifted = [name for name, value in psi.items() if value > DRIFTED]
    most = max(psi, key=lambda name: psi[name])
    p_values = [value for each in moved.values() for name, value in each.items() if name in ("ks_p", "chi2_p")]
    whole = {
        "drifted_share": len(drifted) / len(psi),
        **{f"{name}_psi": column_statistics(each, rows)["psi"] for name, each in others.items()},
        "significant_share": significant_share(p_values),
    }
    message = (
        f"{told}: {len(drifted)} of {len(psi)} features have a psi above {DRIFTED}, "
        f"the highest is {psi[most]:.3g} of {most}"
    ) + "".join(f"; {name} {m.value:.6g}" for name, m in list(measures.items())[:1])
    return DriftSummary(moved, whole, measures, message)


def _told(name: str, statistics: Statistics) -> bool:
    """Shares are told where they have changed, and all else where it is defined."""
    if name == "missing_share":
        return abs(statistics["missing_share"] - statistics["missing_before"]) >= CHANGED
    return name in statistics and (name != "new_share" or statistics[name] > 0)
