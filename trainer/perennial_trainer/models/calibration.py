"""Calibrated probabilities: of the rows with a probability of 80 %, eight in ten are of the class."""

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.calibration import CalibratedClassifierCV
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

from perennial_trainer.contract.errors import RejectedTask
from perennial_trainer.contract.task import Calibration
from perennial_trainer.data.rows import Rows
from perennial_trainer.models.seed import SEED

FOLDS = 5


def calibrate(estimator: BaseEstimator, method: Calibration, rows: Rows) -> BaseEstimator:
    """The unfitted estimator with a map from its scores to probabilities, which it learns from the training rows.

    It is fitted to all rows; the map (Platt's sigmoid, 1999, or Zadrozny and Elkan's isotonic regression, 2002) to its
    scores for each fold when fitted without that fold. With a time column, the folds are periods: rows
    near in time are similar, and would reveal the fold. Raises a RejectedTask, TooFewToCalibrate.
    """
    counts = rows.target.value_counts()
    if counts.min() < FOLDS:
        raise RejectedTask(
            "TooFewToCalibrate",
            f"class {str(counts.idxmin())[:40]} of the target {rows.columns.target} has {counts.min()} training rows, "
            f"and training.calibration {method} needs {FOLDS} of each: collect more rows, or take it out",
        )
    by_time = rows.time is not None
    folds: Any = StratifiedKFold(FOLDS, shuffle=not by_time, random_state=None if by_time else SEED)
    if rows.group is not None:  # a splitter would need the groups when the pipeline is fitted
        groups = np.unique(rows.group, return_inverse=True)[1]
        by_group = StratifiedGroupKFold(FOLDS, shuffle=not by_time, random_state=None if by_time else SEED)
        folds = list(by_group.split(groups, rows.target, groups))
    return CalibratedClassifierCV(estimator, method=method, cv=folds, ensemble=False)
