"""Which of two usual estimators learns the rows better, and how good it is on rows that are held back."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np

from kubectl_perennial.errors import CommandError
from kubectl_perennial.simulation.history import columns_of
from kubectl_perennial.simulation.tasks import quiet
from perennial_operator.core.api.data import DataSpec
from perennial_operator.core.manifests.pods import Mounts
from perennial_operator.core.manifests.train_job import training_data
from perennial_trainer.contract.data import TrainingData
from perennial_trainer.contract.errors import Problems, TaskError
from perennial_trainer.contract.task import Model
from perennial_trainer.data.cleaning import Cleaned, clean
from perennial_trainer.data.holdout import split_holdout, with_copies
from perennial_trainer.data.load import load_rows
from perennial_trainer.data.rows import Rows
from perennial_trainer.metrics.computation import Measurement
from perennial_trainer.metrics.evaluate import measure_all, row_losses
from perennial_trainer.models.estimators import build_estimator
from perennial_trainer.models.pipeline import build_pipeline, fit
from perennial_trainer.models.scoring import score
from perennial_trainer.profiling.leaks import find_leaks
from perennial_trainer.training.baseline import measure_baseline

CANDIDATES: Mapping[str, tuple[tuple[str, dict[str, Any]], ...]] = {
    "regression": (("sklearn.linear_model.Ridge", {}), ("sklearn.ensemble.HistGradientBoostingRegressor", {})),
    "classification": (
        ("sklearn.linear_model.LogisticRegression", {"max_iter": 1000}),
        ("sklearn.ensemble.HistGradientBoostingClassifier", {}),
    ),
}
"""The simpler one first: it is chosen unless the other is better by more than chance."""
STANDARD_ERRORS = 2
MOST_ROWS = 20_000
"""The newest; more of them choose the same."""


@dataclass(frozen=True)
class Chosen:
    """An estimator, and its metrics beside those of a model without features."""

    estimator: str
    parameters: Mapping[str, Any]
    measured: Mapping[str, Measurement]
    baseline: Mapping[str, Measurement]
    holdout_rows: int
    positives: int
    """Rows of the positive class among them."""


def cleaned_rows(spec: Mapping[str, Any], uri: str) -> Cleaned:
    """The rows as a training with this spec would clean them. CommandError where it would refuse them."""
    columns, problems = columns_of(spec), Problems()
    try:
        with quiet():
            cleaned = clean(load_rows(uri, columns, problems=problems), _training_data(spec), problems)
            problems.raise_all()
    except TaskError as error:
        raise CommandError(f"{error.reason}: {error.message}") from error
    return cleaned


def leaks_in(cleaned: Cleaned) -> dict[str, str]:
    """The features that alone predict the target, and what they do."""
    with quiet():
        return find_leaks(cleaned.rows, frozenset())


def choose(spec: Mapping[str, Any], cleaned: Cleaned) -> Chosen:
    """The better of the two. CommandError if none can be fitted."""
    rows = with_copies(cleaned.rows)
    rows = rows.take(slice(max(0, len(rows) - MOST_ROWS), None))
    share = _training_data(spec).holdout
    try:
        with quiet():
            training, holdout = _split(rows, share)
            # Without a time the holdout is a range of digests: the next range is that of the choice.
            within = share if training.time is not None else share + share * (1 - share)
            name, parameters = _better(spec, *_split(training, within), cleaned)
            pipeline = _fitted(spec, name, parameters, cleaned.to_fit(training))
            measured = measure_all(score(pipeline, holdout))
            baseline = measure_baseline(cleaned.to_fit(training), holdout)
    except TaskError as error:
        raise CommandError(f"{error.reason}: {error.message}") from error
    positives = int((holdout.target == str(spec["model"].get("positiveClass"))).sum())
    return Chosen(name, parameters, measured, baseline, len(holdout), positives)


def _split(rows: Rows, share: float) -> tuple[Rows, Rows]:
    split = split_holdout(rows, share)
    return rows.take(split.training_mask(rows)), rows.take(split.mask(rows))


def _better(spec: Mapping[str, Any], early: Rows, late: Rows, cleaned: Cleaned) -> tuple[str, dict[str, Any]]:
    """The simple one, unless the other has a smaller loss by more than two standard errors."""
    simple, other = CANDIDATES[spec["model"]["task"]]
    fitted = cleaned.to_fit(early)
    losses = [row_losses(score(_fitted(spec, *each, fitted), late)) for each in (simple, other)]
    gains = losses[0] - losses[1]
    gains = gains[np.isfinite(gains)]
    error = float(gains.std(ddof=1)) / math.sqrt(len(gains)) if len(gains) > 1 else math.inf
    return other if len(gains) and float(gains.mean()) > STANDARD_ERRORS * error else simple


def _fitted(spec: Mapping[str, Any], name: str, parameters: Mapping[str, Any], rows: Rows) -> Any:
    model = msgspec.convert(
        {
            "framework": "sklearn",
            "format": "joblib",
            **spec["model"],
            "features": {"numeric": [], "categorical": [], **spec["model"]["features"]},
            "estimator": name,
            "parameters": dict(parameters),
        },
        Model,
    )
    return fit(build_pipeline(build_estimator(model), model.features), rows)


def _training_data(spec: Mapping[str, Any]) -> TrainingData:
    """How a training with this spec reads, cleans and splits its rows."""
    data = DataSpec.model_validate(spec["data"])
    return msgspec.convert(training_data(data, Mounts()), TrainingData)
