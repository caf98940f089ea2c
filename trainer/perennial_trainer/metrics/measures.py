"""How good a model is: each metric as a value, as a standard error where it is a mean, and under resampling.

Every metric but `roc_auc` is a function of sums over rows, so a resample needs no row again, only other weights of the
sums. The value itself is the resample in which every row is taken once: scikit-learn's metrics, to which the tests
hold these, would take hours for what a bootstrap of a million rows takes seconds for here.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from perennial_trainer.contract.errors import Refusal

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]
Groups = NDArray[np.intp]
Resampled = Callable[["Scored", Groups, Floats], Floats]


@dataclass(frozen=True)
class Scored:
    """Truth and answers for n rows.

    Regression: numbers. Classification: positions in `classes`, -1 where the truth is not known; `probability` is
    n x classes, or None if the model gives none.
    """

    truth: NDArray[Any]
    answer: NDArray[Any]
    classes: tuple[str, ...] = ()
    probability: Floats | None = None

    def __len__(self) -> int:
        return len(self.truth)

    def take(self, which: NDArray[np.bool_ | np.intp]) -> "Scored":
        probability = None if self.probability is None else self.probability[which]
        return Scored(self.truth[which], self.answer[which], self.classes, probability)

    @property
    def answers(self) -> "pd.Series[Any]":
        """The answers as values: numbers, or the names of classes."""
        import pandas as pd

        if not self.classes:
            return pd.Series(self.answer)
        return pd.Series(np.asarray(self.classes, dtype=object)[self.answer], dtype="str")

    @cached_property
    def losses(self) -> dict[str, Floats]:
        """The loss (or, for accuracy, the hit) of each row, for the metrics that are means."""
        if not self.classes:
            error = self.truth - self.answer
            return {"mse": error**2, "mae": np.abs(error)}
        found = {"accuracy": (self.truth == self.answer).astype(np.float64)}
        if self.probability is not None:
            of_truth = self.probability[np.arange(len(self)), self.truth]
            # As scikit-learn's log_loss: no certainty beyond the resolution of a float.
            found["log_loss"] = -np.log(np.clip(of_truth, np.finfo(np.float64).eps, 1.0))
        return found


@dataclass(frozen=True)
class Measure:
    """A metric's value and, where it is a mean of rows, its standard error."""

    value: float
    standard_error: float | None = None


def measure(scored: Scored) -> dict[str, Measure]:
    """Every metric that is defined for what was scored, most telling first; nothing for no rows.

    Standard errors: sd/sqrt(n) of a mean, and for rmse by the delta method se(mse)/(2 rmse).
    """
    if not len(scored):
        return {}
    names = CLASSIFICATION if scored.classes else REGRESSION
    values = {name: single(name, scored) for name in names}
    return {name: Measure(value, _standard_error(scored, name)) for name, value in values.items() if np.isfinite(value)}


def single(name: str, scored: Scored) -> float:
    """One metric of n > 0 rows; NaN or infinite where it is undefined."""
    return float(resampled(name, scored, np.zeros(len(scored), dtype=np.intp), np.ones((1, 1)))[0])


def required(scored: Scored) -> dict[str, Measure]:
    """`measure`, of which there is at least one; else a Refusal, MetricUndefined."""
    found = measure(scored)
    if not found:
        raise Refusal("MetricUndefined", f"the model answers nothing finite for any of {len(scored)} rows: change it")
    return found


def resampled(name: str, scored: Scored, group: Groups, weights: Floats) -> Floats:
    """The metric in each resample, NaN where it is undefined there (r2 of equal values, roc_auc of one class).

    `group` (n) is the group of each row, `weights` (resamples x groups) how often each group is taken.
    """
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        return METRICS[name](scored, group, weights)


def _standard_error(scored: Scored, name: str) -> float | None:
    if name == "rmse":
        of_mse, rmse = _standard_error(scored, "mse"), float(np.sqrt(scored.losses["mse"].mean()))
        return None if of_mse is None or rmse == 0 else of_mse / (2 * rmse)
    if name not in scored.losses or len(scored) < 2:
        return None
    error = float(scored.losses[name].std(ddof=1) / np.sqrt(len(scored)))
    return error if np.isfinite(error) else None


def _mean(name: str) -> Resampled:
    def resampled_mean(scored: Scored, group: Groups, weights: Floats) -> Floats:
        if name not in scored.losses:
            return np.full(len(weights), np.nan)
        return (weights @ np.bincount(group, scored.losses[name])) / (weights @ np.bincount(group))

    return resampled_mean


def _rmse(scored: Scored, group: Groups, weights: Floats) -> Floats:
    return np.sqrt(_mean("mse")(scored, group, weights))


def _r2(scored: Scored, group: Groups, weights: Floats) -> Floats:
    """1 - (sum of squared errors) / (sum of squared distances from the resample's own mean)."""
    centred = scored.truth - scored.truth.mean()  # the mean of all rows, so that the sums stay exact
    size = weights @ np.bincount(group)
    total = weights @ np.bincount(group, centred**2) - (weights @ np.bincount(group, centred)) ** 2 / size
    return 1 - (weights @ np.bincount(group, scored.losses["mse"])) / np.where(total > 0, total, np.nan)


def _f1(scored: Scored, group: Groups, weights: Floats) -> Floats:
    """2 tp / (2 tp + fp + fn): of the second of two classes, else the mean over the classes that occur (macro)."""
    occurring = np.union1d(scored.truth, scored.answer)
    each = []
    for position in [1] if len(scored.classes) == 2 else occurring:
        is_so, said_so = scored.truth == position, scored.answer == position
        hits = weights @ np.bincount(group, is_so & said_so)
        each.append(2 * hits / (weights @ np.bincount(group, is_so.astype(np.float64) + said_so)))
    return _mean_of_defined(each)


def _roc_auc(scored: Scored, group: Groups, weights: Floats) -> Floats:
    """The chance that a row of the class is given a higher probability than one that is not (ties count half).

    Of the second of two classes, else the mean over the classes that occur, each against the rest. Mann and Whitney,
    Annals of Mathematical Statistics 18 (1947).
    """
    if scored.probability is None:
        return np.full(len(weights), np.nan)
    positions = [1] if len(scored.classes) == 2 else range(len(scored.classes))
    return _mean_of_defined(
        [_auc(scored.truth == position, scored.probability[:, position], group, weights) for position in positions]
    )


def _auc(is_so: NDArray[np.bool_], score: Floats, group: Groups, weights: Floats) -> Floats:
    _, rank = np.unique(score, return_inverse=True)
    result = np.empty(len(weights))
    for number, of_group in enumerate(weights):  # one resample at a time: n numbers in memory, not resamples x n
        of_row = of_group[group]
        positive, negative = np.bincount(rank, of_row * is_so), np.bincount(rank, of_row * ~is_so)
        below = np.cumsum(negative) - negative / 2
        result[number] = (positive @ below) / (positive.sum() * negative.sum())
    return result


def _mean_of_defined(each: list[Floats]) -> Floats:
    stack = np.array(each)
    defined = np.isfinite(stack)
    result: Floats = np.where(defined, stack, 0.0).sum(axis=0) / defined.sum(axis=0)
    return result


METRICS: dict[str, Resampled] = {
    "mse": _mean("mse"),
    "rmse": _rmse,
    "mae": _mean("mae"),
    "r2": _r2,
    "accuracy": _mean("accuracy"),
    "f1": _f1,
    "log_loss": _mean("log_loss"),
    "roc_auc": _roc_auc,
}
REGRESSION = ("mse", "rmse", "mae", "r2")
CLASSIFICATION = ("accuracy", "f1", "log_loss", "roc_auc")
LOSSES = {"mse", "rmse", "mae", "log_loss"}  # better lower; the others are better higher
