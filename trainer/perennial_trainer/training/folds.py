"""The folds of a search: ordered by time if there is a time, and a group in one part of a fold only."""

from typing import Any

import numpy as np
from sklearn.model_selection import GroupKFold, KFold, StratifiedGroupKFold, StratifiedKFold, TimeSeriesSplit

from perennial_trainer.contract.errors import RejectedTask
from perennial_trainer.data.rows import Rows
from perennial_trainer.models.seed import SEED


def search_folds(count: int, rows: Rows) -> Any:
    """What scikit-learn takes as `cv`: a splitter, or with groups the positions of each fold."""
    by_class = rows.columns.kind == "classification"
    if rows.group is None:
        if rows.time is not None:
            return TimeSeriesSplit(count)
        kind = StratifiedKFold if by_class else KFold
        return kind(count, shuffle=True, random_state=SEED)
    groups = np.unique(rows.group, return_inverse=True)[1]
    if groups.max() + 1 < count:
        raise _too_few(count, f"there are {groups.max() + 1} groups of data.groupColumn among the training rows")
    if rows.time is None:
        splitter = StratifiedGroupKFold if by_class else GroupKFold
        return list(splitter(count, shuffle=True, random_state=SEED).split(groups, rows.target, groups))
    folds = [
        (train, test[~np.isin(groups[test], groups[train])]) for train, test in TimeSeriesSplit(count).split(groups)
    ]
    if not all(len(test) for _, test in folds):
        raise _too_few(count, "a fold has no group that is new after its time")
    return folds


def _too_few(count: int, why: str) -> RejectedTask:
    return RejectedTask(
        "SearchFailed", f"training.search.folds {count} cannot be made: {why}; use fewer folds, or collect more groups"
    )
