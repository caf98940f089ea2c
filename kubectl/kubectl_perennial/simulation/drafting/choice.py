"""Which of a few usual recipes learns the rows best, and how good it is on rows that are held back."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from kubectl_perennial.errors import CommandError
from kubectl_perennial.simulation.history import columns_of
from kubectl_perennial.simulation.tasks import quiet
from perennial_operator.core.api.data import DataSpec
from perennial_operator.core.manifests.pods import Mounts
from perennial_operator.core.manifests.train_job import reading_fields
from perennial_trainer.contract.data import TrainingData
from perennial_trainer.contract.errors import Problems, TaskError
from perennial_trainer.contract.task import Model
from perennial_trainer.data.cleaning import Cleaned, clean
from perennial_trainer.data.holdout import split_holdout, with_copies
from perennial_trainer.data.load import load_rows
from perennial_trainer.data.rows import Rows
from perennial_trainer.data.window import best_span
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
"""The simpler one first. It takes texts, which are sparse rows; the other one splits parts of a time."""
STANDARD_ERRORS = 2
MOST_ROWS = 20_000
"""The newest; more of them choose the same."""


@dataclass(frozen=True)
class Recipe:
    """An estimator, and the features that it gets, as a spec has them."""

    estimator: str
    parameters: Mapping[str, Any]
    features: Mapping[str, Any]

    def in_model(self, model: Mapping[str, Any]) -> dict[str, Any]:
        """The model with this recipe."""
        parameters = {"parameters": dict(self.parameters)} if self.parameters else {}
        return {**model, "estimator": self.estimator, "features": dict(self.features), **parameters}


@dataclass(frozen=True)
class Measured:
    """The metrics of a recipe beside those of a model without features."""

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


def choose(spec: Mapping[str, Any], cleaned: Cleaned) -> Recipe:
    """The simplest recipe, unless a later one is better by more than chance. CommandError if none can be fitted."""
    rows, share = _newest(cleaned), _training_data(spec).holdout
    try:
        with quiet():
            training, _ = _split(rows, share)
            # Without a time the holdout is a range of digests: the next range is that of the choice.
            within = share if training.time is not None else share + share * (1 - share)
            early, late = _split(training, within)
            return _best(spec, cleaned.to_fit(early), late)
    except TaskError as error:
        raise CommandError(f"{error.reason}: {error.message}") from error


def measure(spec: Mapping[str, Any], cleaned: Cleaned) -> Measured:
    """How good the recipe of the spec is on the rows that are held back. CommandError if it cannot be fitted."""
    try:
        with quiet():
            training, holdout = _split(_newest(cleaned), _training_data(spec).holdout)
            fitted = _in_window(spec, cleaned.to_fit(training))
            measured = measure_all(score(_fitted(spec["model"], fitted), holdout))
            baseline = measure_baseline(fitted, holdout)
    except TaskError as error:
        raise CommandError(f"{error.reason}: {error.message}") from error
    positives = int((holdout.target == str(spec["model"].get("positiveClass"))).sum())
    return Measured(measured, baseline, len(holdout), positives)


def _in_window(spec: Mapping[str, Any], rows: Rows) -> Rows:
    """Those that a training with `data.window: auto` fits to."""
    data = _training_data(spec)

    def losses(early: Rows, late: Rows) -> NDArray[np.float64]:
        return row_losses(score(_fitted(spec["model"], early), late))

    return best_span(rows, data.holdout_share(len(rows)), data.min_rows * (1 - data.holdout), losses).select(rows)


def _newest(cleaned: Cleaned) -> Rows:
    rows = with_copies(cleaned.rows)
    return rows.take(slice(max(0, len(rows) - MOST_ROWS), None))


def _split(rows: Rows, share: float) -> tuple[Rows, Rows]:
    split = split_holdout(rows, share)
    return rows.take(split.training_mask(rows)), rows.take(split.mask(rows))


def _recipes(model: Mapping[str, Any]) -> Iterator[Recipe]:
    """From the simplest on: columns alone, then with the parts of the time, or with the texts."""
    plain = {kind: names for kind, names in model["features"].items() if kind in ("numeric", "categorical")}
    simple, other = CANDIDATES[model["task"]]
    if plain:
        yield Recipe(*simple, plain)
        yield Recipe(*other, plain)
    for kind, estimator in (("derived", other), ("text", simple)):
        if kind in model["features"]:
            yield Recipe(*estimator, plain | {kind: model["features"][kind]})


def _best(spec: Mapping[str, Any], fitted: Rows, late: Rows) -> Recipe:
    """The first recipe, unless a later one has a smaller loss by more than two standard errors."""
    first, *others = _recipes(spec["model"])
    best, least = first, row_losses(score(_fitted(first.in_model(spec["model"]), fitted), late))
    for each in others:
        losses = row_losses(score(_fitted(each.in_model(spec["model"]), fitted), late))
        gains = least - losses
        gains = gains[np.isfinite(gains)]
        error = float(gains.std(ddof=1)) / math.sqrt(len(gains)) if len(gains) > 1 else math.inf
        if len(gains) and float(gains.mean()) > STANDARD_ERRORS * error:
            best, least = each, losses
    return best


def _fitted(model: Mapping[str, Any], rows: Rows) -> Any:
    features = {"numeric": [], "categorical": [], **model["features"]}
    usual = {"framework": "sklearn", "format": "joblib", "parameters": {}}
    task = msgspec.convert({**usual, **model, "features": features}, Model)
    return fit(build_pipeline(build_estimator(task), task.features), rows)


def _training_data(spec: Mapping[str, Any]) -> TrainingData:
    """How a training with this spec reads, cleans and splits its rows."""
    data = DataSpec.model_validate(spec["data"])
    return msgspec.convert({**Mounts().place(data.training), **reading_fields(data)}, TrainingData)
