"""The loss of rows under a fitted model: the squared error, or 1 for a wrong class."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline
from threadpoolctl import threadpool_limits

from kubectl_perennial.simulation.history import Batch
from perennial_trainer.data.categories import to_categories
from perennial_trainer.data.rows import Rows

Floats = NDArray[np.float64]
NAMES = {"regression": "mean squared error", "classification": "share of wrong classes"}


def row_losses(pipeline: Pipeline, rows: Rows) -> Floats:
    """The loss of each row; NaN without a target. A class that the model does not know is a wrong class."""
    if not len(rows):
        return np.zeros(0)
    with threadpool_limits(1):  # the tables are small
        predictions = pipeline.predict(rows.features)
    if rows.columns.kind == "regression":
        losses: Floats = (rows.target.to_numpy() - np.asarray(predictions, dtype=np.float64).reshape(len(rows))) ** 2
        return losses
    wrong = to_categories(predictions).to_numpy() != rows.target.to_numpy()
    return np.where(rows.target.notna().to_numpy(), wrong.astype(np.float64), np.nan)


def sums_and_counts(losses: Floats, batches: Sequence[Batch], offset: int = 0) -> tuple[Floats, Floats]:
    """The sum of the losses of each batch, and how many rows have one; `offset` is the row of the first loss."""
    parts = [losses[batch.begin - offset : batch.stop - offset] for batch in batches]
    counts = [float(np.isfinite(part).sum()) for part in parts]
    return np.asarray([float(np.nansum(part)) for part in parts]), np.asarray(counts)


def means(sums: Floats, counts: Floats) -> Floats:
    """NaN where nothing was counted."""
    averages: Floats = np.divide(sums, counts, out=np.full(len(sums), np.nan), where=counts > 0)
    return averages
