"""What must a candidate prove before it may serve?"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256

from perennial_operator.core.api.comparison import WorstGroup
from perennial_operator.core.api.metric_table import OF_POSITIVE_CLASS
from perennial_operator.core.api.model_version import ModelVersion
from perennial_operator.core.api.validation import Against, SliceLimit, ValidationSpec
from perennial_operator.core.api.values import shown
from perennial_operator.core.rules.job_results import Scores, Validated

MIN_HOLDOUT = 30
"""Below this many rows no metric says enough: the usual rule of thumb for a sample mean to be nearly normal."""


@dataclass(frozen=True, slots=True)
class Gate:
    passed: bool
    reason: str
    message: str


def _positive_class(metric: str) -> str:
    return ", or set model.positiveClass if there are two classes of text" if metric in OF_POSITIVE_CLASS else ""


def gate_digest(validation: ValidationSpec, live: ModelVersion | None) -> str:
    """A digest of what a candidate must prove, and beside which version."""
    beside = [live.name, live.status.artifact and live.status.artifact.sha256] if live else None
    return sha256(json.dumps([beside, validation.to_api()], sort_keys=True).encode()).hexdigest()[:16]


def gate(validation: ValidationSpec, against: Against, result: Validated, live: str | None, routine: bool) -> Gate:
    """Passed if all thresholds are met and the candidate is not worse than the live version, on enough rows.

    A `routine` candidate passes unless it is shown to be worse.
    """
    scores, rows = result.metrics.candidate, result.holdout_rows
    if rows < MIN_HOLDOUT:
        return Gate(
            False,
            "HoldoutTooSmall",
            f"{rows} holdout rows are too few to prove anything; at least {MIN_HOLDOUT} are needed",
        )
    if failed := next(failed_thresholds(validation, scores, rows), None):
        return failed
    if live is None:
        return Gate(
            True, "ThresholdsMet", f"{_metrics_text(scores)} on {rows} holdout rows; no version is live to compare with"
        )
    compared = _compared(against, result, live, routine)
    if not compared.passed:
        return compared
    return next((each for limit in validation.slices if (each := failed_slice(limit, result.slices, live))), compared)


def gate_again(validation: ValidationSpec, against: Against, version: ModelVersion, live: str | None) -> Gate | None:
    """Why a candidate that has passed the gate does not pass what spec.validation asks for now, or None.

    What its status does not hold is not judged here: an older release recorded no comparison, and one by another metric
    needs another validation.
    """
    metrics, compared = version.status.metrics, version.status.comparison
    if metrics is None or version.status.data is None:
        return None
    rows = compared.rows if compared else version.status.data.holdout_rows
    if failed := next(failed_thresholds(validation, metrics.candidate, rows), None):
        return failed
    if live is None or compared is None or (worse := compared.worsening) is None:
        return None
    if (worse.metric, worse.confidence) != (against.metric, against.confidence):
        return None
    scores = Scores(candidate=metrics.candidate, live=metrics.live)
    result = Validated(message="", holdout_rows=rows, metrics=scores, worsening=worse, slices=compared.slices)
    measured = {(each.column, each.metric) for each in compared.slices}
    limits = [limit for limit in validation.slices if (limit.column, limit.metric) in measured]
    again = (
        _compared(against, result, live, is_routine(validation, version)),
        *(failed_slice(limit, result.slices, live) for limit in limits),
    )
    return next((each for each in again if each and not each.passed), None)


def failed_thresholds(validation: ValidationSpec, scores: Mapping[str, float], rows: int) -> Iterator[Gate]:
    """Why each threshold that is not met fails the gate."""
    for threshold in validation.thresholds:
        value = scores.get(threshold.metric)
        if value is None:
            message = (
                f"spec.validation.thresholds asks for {threshold.metric}, which was not measured; "
                f"ask for one of {', '.join(sorted(scores))}{_positive_class(threshold.metric)}"
            )
            yield Gate(False, "MetricMissing", message)
        elif (limit := threshold.crossed(value)) is not None:
            side = "above max" if value > limit else "below min"
            message = f"{threshold.metric} is {shown(value)} on {rows} holdout rows, {side} {shown(limit)}"
            yield Gate(False, "ThresholdNotMet", message)


def is_routine(validation: ValidationSpec, version: ModelVersion) -> bool:
    """Whether a candidate passes unless it is shown to be worse.

    It was trained because there are more rows, and not because the live version is bad; of two models that are equally
    good, the one that knows more rows is wanted. Other weights are of the same models; a fit in their place is not.
    """
    reason = version.spec.trigger.reason
    routine = reason in ("Growth", "Schedule") or (reason == "Reweighing" and not version.has_fits)
    return validation.routine == "NotShownWorse" and routine


def _compared(against: Against, result: Validated, live: str, routine: bool) -> Gate:
    worse, rows = result.worsening, result.holdout_rows
    old = (result.metrics.live or {}).get(against.metric)
    new = result.metrics.candidate.get(against.metric)
    if worse is None or worse.metric != against.metric or old is None or new is None:
        return Gate(
            False,
            "NotCompared",
            f"the candidate was not compared with {live} by {against.metric}, so it does not pass",
        )
    comparison = f"{against.metric} is {shown(new)}, {live} has {shown(old)} on the same {rows} holdout rows"
    sure = f"{worse.confidence * 100:g} % confidence"
    if worse.upper <= against.tolerance:
        return Gate(True, "BetterThanLive" if worse.upper < 0 else "NotWorseThanLive", comparison)
    lower = 2 * worse.estimate - worse.upper  # the bound of the other side, as far away
    if routine and lower <= against.tolerance:
        text = f"at {sure} it is worse by {lower:.3g} at least and by {worse.upper:.3g} at most (negative is better)"
        return Gate(True, "NotShownWorse", f"{comparison}; {text}, so it is not shown to be worse")
    bound = (
        f"at {sure} it may be worse by {worse.upper:.3g}, "
        f"and spec.validation.against.tolerance is {against.tolerance:g}"
    )
    if worse.estimate > against.tolerance:
        return Gate(False, "WorseThanLive", f"{comparison}; {bound}")
    return Gate(False, "NotProvenBetter", f"{comparison}; {bound}: more holdout rows are needed")


def failed_slice(limit: SliceLimit, slices: Sequence[WorstGroup], live: str) -> Gate | None:
    """Why a slice fails the gate, or None: no group may be served that much worse than before."""
    worst = next((s for s in slices if (s.column, s.metric) == (limit.column, limit.metric)), None)
    if worst is None:
        return Gate(
            False,
            "SliceNotMeasured",
            f"{limit.metric} could be compared with {live} in no group of {limit.column} of {MIN_HOLDOUT} holdout rows "
            "or more, so it is not proven that none is worse off; collect more rows, or change spec.validation.slices",
        )
    if worst.ratio <= limit.max_ratio:
        return None
    return Gate(
        False,
        "SliceWorse",
        f"for {worst.column} {worst.group} ({worst.rows} holdout rows) {worst.metric} is {shown(worst.candidate)}, "
        f"{live} has {shown(worst.live)}: {worst.ratio:.3g} times as bad, and spec.validation.slices allows "
        f"{limit.max_ratio:g}; give that group more training rows, or raise maxRatio if it may be served so",
    )


def _metrics_text(scores: dict[str, float]) -> str:
    return ", ".join(f"{name} {shown(value)}" for name, value in list(scores.items())[:4])
