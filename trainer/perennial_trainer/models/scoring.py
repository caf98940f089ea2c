"""Asks a fitted model, compiled or not, for the rows of a table."""

import re
from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from perennial_trainer.contract.errors import RejectedTask
from perennial_trainer.data.categories import category_name, positive_position, sorted_classes
from perennial_trainer.data.values.plain_rows import Coded, PlainRows
from perennial_trainer.metrics.scored_rows import ScoredRows

if TYPE_CHECKING:
    from perennial_trainer.data.rows import Rows

BLOCK = 65_536  # rows, as many as a check reads at once
FIT_ERRORS = (ValueError, TypeError, AttributeError, LookupError, ArithmeticError)
"""What scikit-learn raises if valid parameters do not work with the rows."""


def score(pipeline: Any, rows: "Rows | PlainRows", also: Collection[str] = ()) -> ScoredRows:
    """The target and the prediction of each row; of plain rows, if the pipeline is a compiled one.

    `also` are classes that another model knows: metrics of two models compare only over the same classes. A row of any
    other class, and one without a target, has the target -1.
    """
    predictions = predicted(pipeline.predict, pipeline, rows)
    if rows.columns.kind == "regression":
        return ScoredRows(
            np.asarray(rows.target), np.asarray(predictions, dtype=np.float64).reshape(len(rows)), weights=rows.weights
        )
    own = classes_of(pipeline)
    classes = sorted_classes({*own, *also})
    place = {name: number for number, name in enumerate(classes)}
    target, prediction = (_places(names, place) for names in (rows.target, Coded.of(np.asarray(predictions))))
    positive = positive_position(classes, rows.columns.positive)
    if not hasattr(pipeline, "predict_proba"):
        return ScoredRows(target, prediction, classes, positive=positive, weights=rows.weights)
    probability = np.zeros((len(rows), len(classes)))
    probability[:, [place[name] for name in own]] = predicted(pipeline.predict_proba, pipeline, rows)
    return ScoredRows(target, prediction, classes, probability, positive, rows.weights)


def _places(categories: Any, place: Mapping[str, int]) -> NDArray[np.intp]:
    """Of each row of a column of categories; -1 for a name that has none, and where it is missing."""
    codes, names = categories.factorize()
    return np.asarray(np.array([*(place.get(name, -1) for name in names), -1], dtype=np.intp)[codes])


def predicted(method: Callable[[Any], Any], pipeline: Any, rows: "Rows | PlainRows") -> Any:
    """The predictions, in blocks: what a row gets must not depend on how many rows a task loads at once."""
    starts = range(0, len(rows), BLOCK)
    if len(starts) < 2:
        return _call(method, pipeline, rows)
    return np.concatenate([_call(method, pipeline, rows.take(slice(start, start + BLOCK))) for start in starts])


def _call(method: Callable[[Any], Any], pipeline: Any, rows: "Rows | PlainRows") -> Any:
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
    return tuple(map(category_name, getattr(pipeline, "classes_", ())))


def _name(model: Any) -> str:
    """Of the estimator."""
    return type(model[-1] if hasattr(model, "steps") else model).__name__


_VALUES = re.compile(r"(could not convert string to float:|unknown categories|unseen labels:|Unknown label).*")


def message_line(error: Exception, line: int = 0) -> str:
    """One line of the error's message, by default the first, without the values of rows that scikit-learn shows."""
    lines = str(error).strip().splitlines()
    return _VALUES.sub(r"\1 …", lines[line])[:300] if lines else type(error).__name__
