"""The pipeline of preprocessing and estimator: built, fitted, and scored on rows."""

from collections.abc import Callable, Collection
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.utils import get_tags

from perennial_trainer.contract.errors import RejectedTask
from perennial_trainer.contract.task import Features
from perennial_trainer.data import conversion
from perennial_trainer.data.categories import sorted_classes
from perennial_trainer.data.rows import Rows
from perennial_trainer.metrics.scored_rows import ScoredRows

STEP = "model"


def build_pipeline(estimator: BaseEstimator, wanted: Features) -> Pipeline:
    """An unfitted pipeline: numeric columns imputed and scaled, categorical ones imputed and one-hot encoded.

    A category that is not in the training rows becomes zeros. Missing values are imputed here also where the training
    drops them: a request may have them.
    """
    # Columns without any value are rejected before; in a fold of a search they may occur, and become a constant.
    numeric = make_pipeline(SimpleImputer(strategy="median", keep_empty_features=True), StandardScaler())
    categorical = make_pipeline(
        SimpleImputer(strategy="most_frequent", keep_empty_features=True),
        OneHotEncoder(handle_unknown="ignore", sparse_output=bool(get_tags(estimator).input_tags.sparse)),
    )
    columns = ColumnTransformer(
        [("numeric", numeric, list(wanted.numeric)), ("categorical", categorical, list(wanted.categorical))]
    )
    return Pipeline([("columns", columns), (STEP, estimator)])


FIT_ERRORS = (ValueError, TypeError, AttributeError, LookupError, ArithmeticError)
"""What scikit-learn raises if valid parameters do not work with the rows."""


def fit(pipeline: Pipeline, rows: Rows) -> Pipeline:
    """The pipeline fitted to the rows. Raises a RejectedTask: SingleClass, ConstantTarget, FitFailed."""
    check_target(rows)
    try:
        return pipeline.fit(rows.features, target_of(rows))
    except FIT_ERRORS as error:
        raise RejectedTask(
            "FitFailed",
            f"{type(pipeline[-1]).__name__} cannot be fitted to {len(rows)} rows: {message_line(error)}",
        ) from error


def message_line(error: Exception, line: int = 0) -> str:
    """One line of the error's message, by default the first."""
    lines = str(error).strip().splitlines()
    return lines[line][:300] if lines else type(error).__name__


def check_target(rows: Rows) -> None:
    """The target has two values at least; else RejectedTask: SingleClass, ConstantTarget."""
    if rows.target.nunique() < 2:
        classes = rows.columns.kind == "classification"
        raise RejectedTask(
            "SingleClass" if classes else "ConstantTarget",
            f"all {len(rows)} training rows have one {'class' if classes else 'value'} of the target "
            f"{rows.columns.target}: give rows with another, or a longer data.window",
        )


def target_of(rows: Rows) -> Any:
    """The target as an estimator takes it."""
    return conversion.to_labels(rows.target) if rows.columns.kind == "classification" else rows.target.to_numpy()


def score(pipeline: Pipeline, rows: Rows, also: Collection[str] = ()) -> ScoredRows:
    """The rows scored by the fitted pipeline.

    `also` are the classes of another model: metrics of two models are comparable only over the same classes.
    """
    predictions = _call(pipeline.predict, pipeline, rows)
    if rows.columns.kind == "regression":
        return ScoredRows(rows.target.to_numpy(), np.asarray(predictions, dtype=np.float64).reshape(len(rows)))
    own = classes_of(pipeline)
    classes = sorted_classes({*own, *rows.target.dropna().unique(), *also})
    index = pd.Index(classes, dtype="str")
    target, prediction = (
        index.get_indexer(pd.Index(names)) for names in (rows.target, conversion.to_categories(predictions))
    )
    if not hasattr(pipeline, "predict_proba"):
        return ScoredRows(target, prediction, classes)
    probability = np.zeros((len(rows), len(classes)))
    probability[:, index.get_indexer(pd.Index(own))] = _call(pipeline.predict_proba, pipeline, rows)
    return ScoredRows(target, prediction, classes, probability)


def _call(method: Callable[[pd.DataFrame], Any], pipeline: Pipeline, rows: Rows) -> Any:
    """The output of a method of the fitted pipeline; else RejectedTask: PredictFailed."""
    try:
        return method(rows.features)
    except FIT_ERRORS as error:
        raise RejectedTask(
            "PredictFailed",
            f"{type(pipeline[-1]).__name__} was fitted and cannot predict {len(rows)} rows: {message_line(error)}; "
            "fix model.parameters or training.search.space",
        ) from error


def classes_of(pipeline: Pipeline | None) -> tuple[str, ...]:
    """The classes of a fitted classifier, in its order; empty for a regressor."""
    return tuple(conversion.to_categories(getattr(pipeline, "classes_", [])))
