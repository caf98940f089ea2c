"""Asks a fitted model, compiled or not, for the rows of a table."""

import re
from collections.abc import Callable, Collection
from typing import Any

import numpy as np
import pandas as pd

from perennial_trainer.contract.errors import RejectedTask
from perennial_trainer.data.categories import positive_position, sorted_classes, to_categories
from perennial_trainer.data.rows import Rows
from perennial_trainer.metrics.scored_rows import ScoredRows

BLOCK = 65_536  # rows, as many as a check reads at once
FIT_ERRORS = (ValueError, TypeError, AttributeError, LookupError, ArithmeticError)
"""What scikit-learn raises if valid parameters do not work with the rows."""


def score(pipeline: Any, rows: Rows, also: Collection[str] = ()) -> ScoredRows:
    """The target and the prediction of each row.

    `also` are classes that another model knows: metrics of two models compare only over the same classes. A row of any
    other class, and one without a target, has the target -1.
    """
    predictions = predicted(pipeline.predict, pipeline, rows)
    if rows.columns.kind == "regression":
        return ScoredRows(
            rows.target.to_numpy(), np.asarray(predictions, dtype=np.float64).reshape(len(rows)), weights=rows.weights
        )
    own = classes_of(pipeline)
    classes = sorted_classes({*own, *also})
    index = pd.Index(classes, dtype="str")
    target, prediction = (index.get_indexer(pd.Index(names)) for names in (rows.target, to_categories(predictions)))
    positive = positive_position(classes, rows.columns.positive)
    if not hasattr(pipeline, "predict_proba"):
        return ScoredRows(target, prediction, classes, positive=positive, weights=rows.weights)
    probability = np.zeros((len(rows), len(classes)))
    probability[:, index.get_indexer(pd.Index(own))] = predicted(pipeline.predict_proba, pipeline, rows)
    return ScoredRows(target, prediction, classes, probability, positive, rows.weights)


def predicted(method: Callable[[pd.DataFrame], Any], pipeline: Any, rows: Rows) -> Any:
    """The predictions, in blocks: what a row gets must not depend on how many rows a task loads at once."""
    starts = range(0, len(rows), BLOCK)
    if len(starts) < 2:
        return _call(method, pipeline, rows)
    return np.concatenate([_call(method, pipeline, rows.take(slice(start, start + BLOCK))) for start in starts])


def _call(method: Callable[[pd.DataFrame], Any], pipeline: Any, rows: Rows) -> Any:
    """The output of a method of the fitted pipeline; else RejectedTask: PredictFailed."""
    try:
        return method(rows.features)
    except FIT_ERRORS as error:
        raise RejectedTask(
            "PredictFailed",
            f"{_name(pipeline)} was fitted and cannot predict {len(rows)} rows: {message_line(error)}; "
            "fix model.parameters or training.search.space",
        ) from error


def classes_of(pipeline: Any | None) -> tuple[str, ...]:
    """The classes of a fitted classifier, in its order; empty for a regressor."""
    return tuple(to_categories(getattr(pipeline, "classes_", [])))


def _name(model: Any) -> str:
    """Of the estimator."""
    return type(model[-1] if hasattr(model, "steps") else model).__name__


_VALUES = re.compile(r"(could not convert string to float:|unknown categories|unseen labels:|Unknown label).*")


def message_line(error: Exception, line: int = 0) -> str:
    """One line of the error's message, by default the first, without the values of rows that scikit-learn shows."""
    lines = str(error).strip().splitlines()
    return _VALUES.sub(r"\1 …", lines[line])[:300] if lines else type(error).__name__
