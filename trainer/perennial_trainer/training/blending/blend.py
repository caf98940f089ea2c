"""A blend: models of the live version, a fit to all rows and one to the newest, weighed again.

The holdout is divided by time: its older half decides the weights of the model that the gate scores, its newer half is
what that model is scored on. After the gate the refit has learned all of it: the newest rows are fitted again with the
holdout, and the weights are decided by both halves.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from sklearn.base import BaseEstimator, clone
from sklearn.pipeline import Pipeline

from perennial_trainer.artifacts.metadata import FittedHistory
from perennial_trainer.contract.errors import RejectedTask
from perennial_trainer.contract.task import TrainTask
from perennial_trainer.data.cleaning import without_outliers
from perennial_trainer.data.rows import Rows, concatenate
from perennial_trainer.data.window import time_range
from perennial_trainer.models.blend import Floats, answers, blended, can_be_blended, fitted_weights, truth
from perennial_trainer.models.frameworks.registry import framework_of
from perennial_trainer.models.scoring import classes_of, score
from perennial_trainer.training.blending.kept import Kept
from perennial_trainer.training.refit import Refitted, estimator_of, fit_recipe, quality_of_holdout
from perennial_trainer.training.row_sets import RowSets

log = logging.getLogger(__name__)

MOST = 5  # members: each adds its time to every answer
NEWEST = (5, 2)  # the newest fit has so many times the rows of the holdout, whichever is better
NEW = 2 / 3  # the share of the weights that new fits have before any row is read


@dataclass(frozen=True)
class Blend:
    """The members of a candidate, with the weights before and after the older half of the holdout."""

    members: dict[str, Pipeline]
    before: Floats
    weights: Floats
    fits: int
    """How many of the members this training has fitted."""
    whole_again: str | None = None
    """The member that is fitted to all rows, and again with the holdout."""
    newest: str | None = None
    """The member that is fitted to the newest rows."""
    newest_rows: int = 0
    """How many these are."""
    fitted_history: FittedHistory | None = None
    """Of the kept models, if there is no new one."""
    whole: int | None = None
    """How many rows were known when its model of the whole history was fitted, if that is a kept one."""

    def described(self, fitted: str) -> str:
        """What the training did; `fitted` says what it fitted to all rows."""
        if not self.fits:
            return "weighed its models again"
        return f"{'fitted to its newest rows' if self.whole else fitted}, blended into {len(self.members)} models"

    @property
    def weight_of(self) -> dict[str, float]:
        """By the name of a member: the digest of the rows known then, and which of them it knows."""
        return dict(zip(self.members, map(float, self.weights), strict=True))

    @property
    def pipeline(self) -> Pipeline:
        return blended(self.members, self.weights)


def needs_whole(kept: Kept, task: TrainTask, rows: RowSets) -> bool:
    """Whether the whole history is fitted again.

    Where labels are late, in each training: a short span that predicts the rows after it says little of those that the
    model will serve.
    """
    return task.blend == "whole" or kept.has_grown(rows.to_fit)


def blend_with(kept: Kept, task: TrainTask, estimator: BaseEstimator, fitted: Pipeline | None, rows: RowSets) -> Blend:
    """The kept models, one that is fitted to the newest rows, and the given one of the whole history, if any."""
    digest = rows.cleaned.rows.fingerprint[:12]
    new = {f"{digest} all": fitted} if fitted and can_be_blended(fitted, kept.classes) else {}
    whole = next(iter(new), None) if task.blend == "whole" else None
    newest, size = _fit_newest(task, estimator, kept, rows)
    if newest is not None:
        new[f"{digest} newest"] = newest
    if not new:
        return weigh_again(kept, rows)
    blend = _weighed(kept, new, rows, whole, f"{digest} newest" if newest is not None else None, size)
    return blend if fitted else replace(blend, whole=kept.history.whole)


def weigh_again(kept: Kept, rows: RowSets) -> Blend:
    """The kept models with other weights."""
    return replace(_weighed(kept, {}, rows), fitted_history=kept.history)


def history_of(rows: RowSets, blend: Blend | None) -> FittedHistory:
    """The rows that were known when the newest model was fitted."""
    if blend and blend.fitted_history:
        return blend.fitted_history
    known = rows.cleaned.rows
    whole = blend.whole if blend and blend.whole else len(known)
    return FittedHistory(rows=len(known), whole=whole, end=time_range(known).get("end"))


def refit_blend(task: TrainTask, estimator: BaseEstimator, blend: Blend, rows: RowSets) -> Refitted:
    """The weights by all rows of the holdout, and the newest rows fitted again with them."""
    assert rows.weighing is not None
    learned = concatenate([rows.weighing, rows.holdout])
    weights = _weights(blend.members, learned, blend.before)
    members, count = dict(blend.members), 0
    try:
        known = len(rows.cleaned.rows)
        for name, size in ((blend.newest, blend.newest_rows), (blend.whole_again, known)):
            if name is not None:
                again, used = _newest_again(task, estimator, blend.members[name], rows, size)
                members |= {name: again} if again is not None else {}
                count = max(count, used)
        pipeline = blended(members, weights)
        score(pipeline, rows.holdout)  # it can predict
    except RejectedTask as rejected:
        return Refitted(f"the refit failed: {rejected.message}")
    message = f"{len(members)} models, weighed by {len(learned)} rows of the holdout"
    return Refitted(message, pipeline, count, quality_of_holdout(rows))


def _weighed(
    kept: Kept,
    new: Mapping[str, Pipeline],
    rows: RowSets,
    whole: str | None = None,
    newest: str | None = None,
    newest_rows: int = 0,
) -> Blend:
    assert rows.weighing is not None
    known = dict(zip(kept.members, map(float, kept.weights), strict=True))
    names = heaviest({name: weight for name, weight in known.items() if name not in new}, MOST - len(new))
    old = np.asarray([known[name] for name in names])
    share = NEW if new else 0.0
    before = np.concatenate([(1 - share) * old / max(float(old.sum()), 1e-9), [share / max(len(new), 1)] * len(new)])
    members = {name: kept.members[name] for name in names} | dict(new)
    if whole is not None:
        before = np.asarray([float(name == whole) for name in members])
    before = np.asarray(before / before.sum())
    weights = _weights(members, rows.weighing, before)
    log.info("blend of %s models, weights %s", len(members), ", ".join(f"{each:.2f}" for each in weights))
    return Blend(members, before, weights, len(new), whole, newest, newest_rows)


def heaviest(weights: Mapping[str, float], most: int) -> list[str]:
    """So many of the names, in their order: those with the greatest weights and, of equal ones, the newest.

    The newest rows have decided the weights: an old model that fits them is worth more than a newer one that does not.
    """
    lightest_first = sorted(weights, key=lambda name: weights[name])
    heaviest = set(lightest_first[max(0, len(weights) - most) :])
    return [name for name in weights if name in heaviest]


def _weights(members: Mapping[str, Pipeline], rows: Rows, before: Floats) -> Floats:
    fitted = list(members.values())
    return fitted_weights([answers(each, rows) for each in fitted], truth(fitted[0], rows), before)


def _fit_newest(task: TrainTask, estimator: BaseEstimator, kept: Kept, rows: RowSets) -> tuple[Pipeline | None, int]:
    """The recipe fitted to the newest rows, and how many they are; None if it cannot be, or knows other classes.

    Of several spans, that with the least error on the rows that decide the weights.
    """
    assert rows.weighing is not None
    fewest = round(task.data.min_rows * (1 - task.data.holdout))
    best: tuple[float, Pipeline | None, int] = (np.inf, None, 0)
    sizes = {max(each * rows.held_out, fewest) for each in NEWEST}
    for size in sorted((each for each in sizes if each < len(rows.to_fit)), reverse=True):
        newest, _ = without_outliers(rows.to_fit.take(slice(len(rows.to_fit) - size, None)), task.data.cleaning)
        try:
            fitted = fit_recipe(task, clone(estimator), newest)
            score(fitted, rows.weighing)  # it can predict
        except RejectedTask as refusal:
            log.info("no fit to the newest %s rows: %s", size, refusal.message)
            continue
        if not can_be_blended(fitted, kept.classes):
            continue
        error = float(((answers(fitted, rows.weighing) - truth(fitted, rows.weighing)) ** 2).mean())
        if error < best[0]:
            best = error, fitted, size
    return best[1:]


def _newest_again(
    task: TrainTask, estimator: BaseEstimator, proven: Pipeline, rows: RowSets, size: int
) -> tuple[Pipeline | None, int]:
    """The same recipe fitted to as many rows, the holdout included; None if its iterations cannot be fixed."""
    fixed = framework_of(task.model).fixed_iterations(estimator_of(proven))
    all_rows = rows.cleaned.to_fit(rows.cleaned.rows)
    newest, _ = without_outliers(all_rows.take(slice(max(0, len(all_rows) - size), None)), task.data.cleaning)
    if fixed is None:
        return None, 0
    fitted = fit_recipe(task, clone(estimator).set_params(**fixed), newest)
    return (fitted if can_be_blended(fitted, classes_of(proven)) else None), len(newest)
