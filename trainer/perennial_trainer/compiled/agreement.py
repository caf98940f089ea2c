"""Whether a compiled model gives a pipeline's answers."""

import logging

import numpy as np
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline

from perennial_trainer.compiled import file
from perennial_trainer.compiled.build import NotCompiledError, compile_pipeline
from perennial_trainer.compiled.columns import Floats
from perennial_trainer.compiled.model import CompiledModel
from perennial_trainer.compiled.pipeline import table_of
from perennial_trainer.data.rows import Rows
from perennial_trainer.models.scoring import message_line

RELATIVE = 1e-12
"""Of an answer, and of the absolute terms that it is the sum of."""
MOST_ROWS = 10_000

log = logging.getLogger(__name__)


def compiled_file(pipeline: Pipeline, sha256: str, rows: Rows) -> bytes | None:
    """The compiled model's file, if it gives the pipeline's answers to the rows; else None, and the log says why."""
    try:
        model = compile_pipeline(pipeline)
        reason = difference(model, pipeline, rows)
        if not reason:
            return file.encode(model, sha256)
    except NotCompiledError as error:
        reason = str(error)
    except Exception as error:  # such as a model that Treelite cannot take: no training fails for it
        reason = f"it cannot be compiled: {type(error).__name__}: {message_line(error)}"
    log.info("the pipeline itself will answer: %s", reason)
    return None


def difference(model: CompiledModel, pipeline: Pipeline, rows: Rows) -> str:
    """What differs between the answers for the rows, of which the first 10,000 are asked; empty if nothing does."""
    rows = rows.take(slice(0, MOST_ROWS))
    table = table_of(rows.features, model)
    expected, predicted = np.asarray(pipeline.predict(rows.features)), model.predict(table)
    if model.classes:
        if other := int((expected != predicted).sum()):
            return f"{other} of {len(rows)} rows get another class"
        if model.has_probabilities != hasattr(pipeline, "predict_proba"):
            return "only one of both has probabilities"
        if not model.has_probabilities:
            return ""
        expected, predicted = np.asarray(pipeline.predict_proba(rows.features)), model.predict_proba(table)
    different = ~agrees(predicted, expected.reshape(predicted.shape), model.terms(table))
    return f"{int(different.sum())} of {len(rows)} rows get another answer" if different.any() else ""


def agrees(given: Floats, expected: Floats, terms: Floats) -> NDArray[np.bool_]:
    """Whether each answer is the expected one, as far as rounding allows: [n], or [n, classes]."""
    allowed = RELATIVE * (np.abs(expected) + (terms if expected.ndim == 1 else terms[:, None]))
    with np.errstate(invalid="ignore"):
        return np.asarray((given == expected) | (np.abs(given - expected) <= allowed))
