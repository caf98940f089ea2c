"""The regret of a live version: how much less error a model of newer rows has on the recent ones.

Both models predict the same rows, so that what is hard about the rows themselves cancels out. The challenger has the
live version's recipe, is fitted to the newest rows before the recent ones, and is never stored.
"""

import logging
from typing import TYPE_CHECKING

import msgspec

from perennial_trainer.contract.data import Challenger
from perennial_trainer.contract.errors import FailedTask, Problems, TaskError
from perennial_trainer.contract.metric_table import REGRET, WEIGHTS_REGRET
from perennial_trainer.contract.result import NotMeasured
from perennial_trainer.contract.task import CheckTask
from perennial_trainer.drift.earlier_rows import FEWEST, MAX_REASON, newest_rows
from perennial_trainer.drift.paired.same_rows import Saved, compare_models
from perennial_trainer.drift.recent_counts import RecentCounts
from perennial_trainer.metrics.computation import Measurement
from perennial_trainer.storage.store import describe_error

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

    from perennial_trainer.data.rows import Rows
    from perennial_trainer.drift.recent_counts import Model

log = logging.getLogger(__name__)


def measure_regret(task: CheckTask, recent: RecentCounts, model: "Model") -> Saved | None:
    """The regret as a share of the live version's loss, with its standard error; or why it has none.

    The challenger of a blend is the same blend with other weights where the task says so, unless a threshold asks.

    A problem of the challenger is never one of the check.
    """
    from perennial_trainer.models.blend import is_blend

    assert task.challenger is not None
    live = model().result() if recent.period.start else None
    if task.challenger.weights and is_blend(live) and all(each.metric != REGRET for each in task.thresholds):
        return _of_weights(task, recent, live)
    rows = recent.scored_rows(FEWEST)
    if rows is None or recent.period.start is None:
        return NotMeasured(
            metric=REGRET, reason=f"{recent.labelled} recent rows with a target and a time are fewer than {FEWEST}"
        )
    try:
        return compare_models(REGRET, live, _fitted(task, task.challenger, recent, rows), rows).saved
    except OSError as error:  # the store of data.training, which is not that of the recent rows
        refusal: TaskError = FailedTask("DataUnreachable", f"data.training could not be read: {describe_error(error)}")
    except TaskError as error:
        refusal = error
    return NotMeasured(metric=REGRET, reason=f"there is no challenger: {refusal.message[:MAX_REASON]}")


def _of_weights(task: CheckTask, recent: RecentCounts, live: "Pipeline") -> Saved:
    """By the recent rows with a target; where labels come late, by all earlier rows whose targets have come since."""
    from perennial_trainer.drift.weights import weights_regret

    rows = recent.scored_rows(FEWEST) if recent.late is None else recent.late
    if rows is None:
        reason = recent.why_none_is_late or f"{recent.labelled} recent rows with a target are fewer than {FEWEST}"
        return NotMeasured(metric=WEIGHTS_REGRET, reason=reason)
    try:
        return _named(WEIGHTS_REGRET, weights_regret(task.live, live, rows))
    except OSError as error:
        reason = f"the files of {task.live.name} could not be read: {describe_error(error)}"
    except TaskError as error:
        reason = error.message[:MAX_REASON]
    return NotMeasured(metric=WEIGHTS_REGRET, reason=reason)


def _named(name: str, measured: Measurement | NotMeasured) -> Saved:
    return measured if isinstance(measured, NotMeasured) else {name: measured}


def _fitted(task: CheckTask, challenger: Challenger, recent: RecentCounts, compared: "Rows") -> "Pipeline":
    """The live version's recipe, fitted to the newest rows before the compared ones, as many as several checks have."""
    from perennial_trainer.data.cleaning import clean, without_outliers
    from perennial_trainer.data.memory import memory_limit
    from perennial_trainer.models.estimators import build_estimator
    from perennial_trainer.models.pipeline import build_pipeline, check_encoded_size, fit

    before = recent.period.start if recent.late is None or compared.time is None else compared.time.min()
    wanted = recent.labelled if recent.late is None else len(compared)
    rows = newest_rows(task, challenger, wanted * challenger.checks, before)
    problems = Problems()
    cleaned = clean(rows, challenger.data, problems)
    problems.raise_all()
    to_fit = without_outliers(cleaned.to_fit(cleaned.rows), challenger.data.cleaning)[0]
    log.info("fitting a challenger to %s rows", len(to_fit))
    recipe = msgspec.structs.replace(task.model, parameters=task.model.parameters | challenger.parameters)
    estimator = build_estimator(recipe)
    check_encoded_size(to_fit, estimator, memory_limit())
    return fit(build_pipeline(estimator, recipe.features), to_fit)
