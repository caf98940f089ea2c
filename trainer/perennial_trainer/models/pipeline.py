"""The columns as they are, the estimator as it needs them, and what it answers."""

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


def build(estimator: BaseEstimator, wanted: Features) -> Pipeline:
    """Unfitted: impute and scale what is numeric, impute and one-hot encode what is categorical, then estimate.

    A category that was not there at training becomes zeros. Missing values are imputed here also where the training
    drops them: a request may have them.
    """
    # Columns without any value are refused before; in a fold of a search they may occur, and become a constant.
    numeric = make_pipeline(SimpleImputer(strategy="median", keep_empty_features=True), StandardScaler())
    categorical = make_pipeline(
        SimpleImputer(strategy="most_frequent", keep_empty_features=True),
        OneHotEncoder(handle_unknown="ignore", sparse_output=bool(get_tags(estimator).input_tags.sparse)),
    )
    columns = ColumnTransformer(
        [("numeric", numeric, list(wanted.numeric)), ("categorical", categorical, list(wanted.categorical))]
    )
    return Pipeline([("columns", columns), (STEP, estimator)])


UNFIT = (ValueError, TypeError, AttributeError, LookupError, ArithmeticError)
"""What scikit-learn raises where parameters that it has checked, or the rows, fit nothing."""


def fit(pipeline: Pipeline, rows: Rows) -> Pipeline:
    """The pipeline fitted to the rows. Raises a RejectedTask: SingleClass, ConstantTarget, FitFailed."""
    check_target(rows)
    try:
        return pipeline.fit(rows.features, target_of(rows))
    except UNFIT as error:
        raise RejectedTask(
            "FitFailed",
            f"{type(pipeline[-1]).__name__} cannot be fitted to {len(rows)} rows: {cause(error)}",
        ) from error


def cause(error: Exception, line: int = 0) -> str:
    """One line of what scikit-learn said."""
    lines = str(error).strip().splitlines()
    return lines[line][:300] if lines else type(error).__name__


def check_target(rows: Rows) -> None:
    """There are two values of the target to tell apart; else a RejectedTask, SingleClass or ConstantTarget."""
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
    """What the fitted pipeline answers for the rows, beside the truth.

    `also` are classes that another model knows: metrics of two models compare only over the same classes.
    """
    answers = _asked(pipeline.predict, pipeline, rows)
    if rows.columns.kind == "regression":
        return ScoredRows(rows.target.to_numpy(), np.asarray(answers, dtype=np.float64).reshape(len(rows)))
    own = classes_of(pipeline)
    classes = sorted_classes({*own, *rows.target.dropna().unique(), *also})
    index = pd.Index(classes, dtype="str")
    truth, answer = (index.get_indexer(pd.Index(names)) for names in (rows.target, conversion.to_categories(answers)))
    if not hasattr(pipeline, "predict_proba"):
        return ScoredRows(truth, answer, classes)
    probability = np.zeros((len(rows), len(classes)))
    probability[:, index.get_indexer(pd.Index(own))] = _asked(pipeline.predict_proba, pipeline, rows)
    return ScoredRows(truth, answer, classes, probability)


def _asked(method: Callable[[pd.DataFrame], Any], pipeline: Pipeline, rows: Rows) -> Any:
    """What the fitted pipeline answers; a RejectedTask, PredictFailed, where what could be fitted cannot be asked."""
    try:
        return method(rows.features)
    except UNFIT as error:
        raise RejectedTask(
            "PredictFailed",
            f"{type(pipeline[-1]).__name__} was fitted and cannot answer for {len(rows)} rows: {cause(error)}; "
            "mend model.parameters or training.search.space",
        ) from error


def classes_of(pipeline: Pipeline | None) -> tuple[str, ...]:
    """The classes a fitted classifier knows, in its order; none for a regressor."""
    return tuple(conversion.to_categories(getattr(pipeline, "classes_", [])))
