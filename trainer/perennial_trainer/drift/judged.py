"""Which measured values the thresholds of a check are about, and how likely those beyond their limit are by chance."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from msgspec import UNSET

from perennial_trainer.contract.metric_table import CHANCE_LEVEL, OF_POSITIVE_CLASS
from perennial_trainer.contract.result import DriftMetric, NotMeasured
from perennial_trainer.contract.thresholds import Threshold
from perennial_trainer.drift.chances.column import chance_of_value
from perennial_trainer.drift.chances.redistribution import holm, simes
from perennial_trainer.drift.histogram import Histogram
from perennial_trainer.drift.statistics import DRIFTED
from perennial_trainer.metrics.computation import Measurement

Statistics = Mapping[str, float]
WITHOUT_CHANCE = frozenset({"missing_increase"})  # a limit on bad data: their chance does not matter


@dataclass(frozen=True)
class Measured:
    """Everything a check has measured: quality, by feature, and of all features or the predictions together.

    `columns` are the histograms by feature, and `others` those behind a metric of the whole, several where the greatest
    of their values counts. `rows` is the number of rows of the reference.
    """

    quality: Mapping[str, Measurement]
    features: Mapping[str, Statistics]
    whole: Mapping[str, float]
    columns: Mapping[str, Histogram]
    others: Mapping[str, Sequence[Histogram]]
    rows: int

    def values(self, metric: str, features: Sequence[str]) -> dict[str | None, float]:
        """The values of a metric, by feature, or under None where it is not of a feature; only of these features."""
        if metric in self.quality:
            return {None: self.quality[metric].value}
        if metric in self.whole:
            return {None: self.whole[metric]}
        wanted = features or self.features
        return {name: self.features[name][metric] for name in wanted if metric in self.features.get(name, {})}


@dataclass(frozen=True)
class Judged:
    """`deciding`: of each threshold the value nearest to its limit, or furthest beyond; `exceeded`: all beyond.

    A threshold without a value has None in `deciding`, and says why in `not_measured`.
    """

    deciding: list[DriftMetric | None]
    exceeded: list[DriftMetric]
    not_measured: list[NotMeasured]


def judge_thresholds(thresholds: Sequence[Threshold], measured: Measured, labelled: int) -> Judged:
    """What the thresholds ask for; `labelled` rows had a target."""
    values = [measured.values(each.metric, each.features) for each in thresholds]
    chances = _corrected(thresholds, values, measured)
    deciding: list[DriftMetric | None] = []
    exceeded: list[DriftMetric] = []
    for number, (threshold, by_feature) in enumerate(zip(thresholds, values, strict=True)):
        ranked = sorted(by_feature, key=lambda name: _distance(threshold, by_feature[name]))
        metrics = [_metric(threshold.metric, name, measured, chances.get((number, name))) for name in ranked]
        deciding.append(metrics[0] if metrics else None)
        exceeded += [each for each in metrics if threshold.exceeds(each.value)]
    missing = [
        NotMeasured(metric=each.metric, reason=_why_not(each.metric, absent, labelled))
        for each, by_feature in zip(thresholds, values, strict=True)
        if (absent := _absent(each.features, by_feature)) or not by_feature
    ]
    return Judged(deciding, exceeded, missing)


def _absent(named: Sequence[str], by_feature: Mapping[str | None, float]) -> list[str]:
    """The named features without a value; none if the metric is not of a feature."""
    return [] if None in by_feature else [name for name in named if name not in by_feature]


def drifted_features(features: Mapping[str, Statistics], columns: Mapping[str, Histogram], rows: int) -> list[str]:
    """The features whose psi is above the customary limit, and by more than chance."""
    above = [name for name, each in features.items() if each["psi"] > DRIFTED]
    level = CHANCE_LEVEL / max(1, len(features))
    chances = [_known(chance_of_value("psi", features[name]["psi"], columns[name], rows, level)) for name in above]
    corrected = holm(chances, len(features))
    return [name for name, chance in zip(above, corrected, strict=True) if chance <= CHANCE_LEVEL]


def _known(chance: float | None) -> float:
    return 0.0 if chance is None else chance  # where the profile cannot tell, the limit alone decides


def _corrected(
    thresholds: Sequence[Threshold], values: Sequence[Mapping[str | None, float]], measured: Measured
) -> dict[tuple[int, str | None], float]:
    """The corrected chance of each value that is beyond the limit of a threshold, where it has one."""
    pairs = [
        (number, name)
        for number, by_feature in enumerate(values)
        for name in by_feature
        if thresholds[number].metric not in measured.quality and thresholds[number].metric not in WITHOUT_CHANCE
    ]
    chances: dict[tuple[int, str | None], float] = {}
    level = CHANCE_LEVEL / max(1, len(pairs))
    for number, name in pairs:
        metric, value = thresholds[number].metric, values[number][name]
        if thresholds[number].exceeds(value) and (chance := _chance(metric, name, value, measured, level)) is not None:
            chances[number, name] = chance
    corrected = holm(list(chances.values()), len(pairs))
    return dict(zip(chances, corrected, strict=True))


def _chance(metric: str, feature: str | None, value: float, measured: Measured, level: float) -> float | None:
    if feature is not None:
        return chance_of_value(metric, value, measured.columns[feature], measured.rows, level)
    if metric == "drifted_share":  # it counts only what is beyond chance
        return CHANCE_LEVEL / max(1, len(measured.features)) if value else 1.0
    if metric == "significant_share":
        return chance_of_significant(measured.features, measured.columns, measured.rows)
    chances = [chance_of_value("psi", value, each, 0, level) for each in measured.others.get(metric, ())]
    known = [chance for chance in chances if chance is not None]
    return min(1.0, min(known) * len(known)) if known else None


def chance_of_significant(features: Mapping[str, Statistics], columns: Mapping[str, Histogram], rows: int) -> float:
    """The chance that any feature is significant.

    Where many categories are rare, chi2 has a longer tail than its p-value says, so that its chance is drawn.
    """
    chances, level = [], CHANCE_LEVEL / max(1, len(features))
    for name, each in features.items():
        chances += [each["ks_p"]] if "ks_p" in each else []
        if "chi2_p" in each:
            p_value = each["chi2_p"]
            is_rare = p_value <= CHANCE_LEVEL
            drawn = chance_of_value("chi2_p", p_value, columns[name], rows, level) if is_rare else None
            chances.append(p_value if drawn is None else drawn)
    return simes(chances)


def p_values(features: Mapping[str, Statistics]) -> Iterator[float]:
    """The p-value of each feature's classic test."""
    for each in features.values():
        yield from (each[name] for name in ("ks_p", "chi2_p") if name in each)


def _distance(threshold: Threshold, value: float) -> float:
    """The less, the nearer to the limit, or the further beyond it."""
    if threshold.min is not None and threshold.max is not None:
        return min(threshold.max - value, value - threshold.min)
    return value if threshold.min is not None else -value


def metric_of(name: str, measured: Measurement) -> DriftMetric:
    """The measurement as a result has it."""
    error = UNSET if measured.standard_error is None else measured.standard_error
    return DriftMetric(name=name, value=measured.value, standard_error=error)


def _metric(metric: str, feature: str | None, measured: Measured, chance: float | None) -> DriftMetric:
    if metric in measured.quality:
        return metric_of(metric, measured.quality[metric])
    value = measured.whole[metric] if feature is None else measured.features[feature][metric]
    return DriftMetric(
        name=metric, feature=feature or UNSET, value=round(value, 6), chance=UNSET if chance is None else chance
    )


def _why_not(metric: str, features: Sequence[str], labelled: int) -> str:
    from perennial_trainer.contract.metric_table import METRICS_BY_NAME

    entry = METRICS_BY_NAME.get(metric)
    if entry is None:
        return f"this check has no metric {metric}"
    if entry.kind == "quality" and not labelled:
        return "no row of the window has a target"
    if metric == "target_psi":
        return "no row of the window has a target"
    if metric == "prediction_psi":
        return "the model was not asked"
    if metric in OF_POSITIVE_CLASS:
        return "it needs model.positiveClass, as the target has two texts, or is not defined for these rows"
    of = f" of {', '.join(features[:5])}" if features else ""
    return f"it is not defined for these rows{of}"
