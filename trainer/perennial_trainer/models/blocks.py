"""Rows that are prepared in blocks, for an estimator that spreads them: nowhere are the prepared rows whole."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import Pipeline

from perennial_trainer.contract.features.columns import Features
from perennial_trainer.data.rows import Rows
from perennial_trainer.models.boosting.spreading import current_spreading
from perennial_trainer.models.frameworks.allow_list import table_of

HEAD = 65_536  # rows by which the preparation chooses between a dense and a sparse matrix


class Prepared:
    """The rows as the estimator gets them, of which a part is prepared when it is taken."""

    def __init__(self, columns: ColumnTransformer, features: pd.DataFrame) -> None:
        self._columns, self._features = columns, features

    def __getitem__(self, positions: NDArray[np.intp]) -> Any:
        return self._columns.transform(self._features.iloc[positions])


def is_in_blocks(estimator: Any, features: Features) -> bool:
    """Whether this estimator spreads its rows, and they can be prepared in blocks.

    Not for transformers of packages, which may take the target.
    """
    return current_spreading() is not None and table_of(type(estimator)) is not None and not features.transformed


def fit_in_blocks(pipeline: Pipeline, rows: Rows, target: Any, weights: Any) -> Pipeline:
    """The pipeline, fitted as by its own method, which would make one matrix of all prepared rows."""
    columns, estimator = pipeline[0], pipeline[-1]
    features = rows.features
    in_head = np.arange(len(features)) < HEAD
    for name in rows.columns.features.all_categorical:
        in_head |= ~features[name].duplicated().to_numpy()  # so that each category has its column
    columns.fit(features[in_head])
    for _, transformer, names in columns.transformers_:
        if len(names):
            transformer.fit(features[names])
    estimator.fit(Prepared(columns, features), target, sample_weight=weights)
    return pipeline
