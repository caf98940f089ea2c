"""Fitted estimators as arrays: linear models, trees by Treelite, and those of LightGBM and XGBoost by their libraries.

Every sum is over one row alone and in one order, so that a row has the same answer by itself and among others.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from perennial_trainer.compiled.columns import Encoder, Floats, Table
from perennial_trainer.compiled.forest import FEWEST_ROWS, Forest
from perennial_trainer.compiled.lightgbm_library import Booster


@dataclass(frozen=True)
class Linear:
    """A weighted sum of k numbers and of one weight for each category, for each of m outputs."""

    intercepts: Floats
    """Of shape [m]."""
    weights: Floats
    """Of shape [m, width of the encoder]."""

    def raw(self, encoder: Encoder, table: Table) -> Floats:
        """The sums, of shape [n, m]."""
        return _sums(self._by_column, self.intercepts, encoder, table)

    def terms(self, encoder: Encoder, table: Table) -> Floats:
        """The sum of the absolute terms of each row's greatest sum, of shape [n]."""
        sums = _sums(np.abs(self._by_column), np.abs(self.intercepts), encoder, table, absolute=True)
        return np.asarray(sums.max(axis=1))

    @cached_property
    def _by_column(self) -> Floats:
        """Of shape [width + 1, m]; the last is 0, for a category that is UNKNOWN."""
        return np.vstack([self.weights.T, np.zeros(len(self.weights))])


def _sums(by_column: Floats, intercepts: Floats, encoder: Encoder, table: Table, *, absolute: bool = False) -> Floats:
    of_numbers = by_column[: len(encoder.numeric)].T
    sums = np.empty((table.rows, len(of_numbers)))
    for rows, numbers in encoder.blocks(table):
        if absolute:
            np.abs(numbers, out=numbers)
        for output, each in enumerate(of_numbers):
            # Not a product of matrices: its result for a row depends on how many rows there are.
            np.add.reduce(numbers * each, axis=1, out=sums[rows, output])
    for codes in encoder.codes(table):
        sums += by_column[codes]
    sums += intercepts
    return sums


class _OfMatrix(ABC):
    """An estimator of a library that takes a matrix."""

    @property
    @abstractmethod
    def _loaded(self) -> Any: ...
    @abstractmethod
    def _raw(self, matrix: Floats) -> Floats: ...

    def load(self) -> None:
        """The trees are ready for the first row."""
        self._loaded  # noqa: B018

    def raw(self, encoder: Encoder, table: Table) -> Floats:
        """What the trees give, of shape [n, m]."""
        return np.concatenate([self._raw(each) for each in encoder.matrices(table)])


@dataclass(frozen=True)
class Trees(_OfMatrix):
    """Trees of which each gives every row a value; they are summed up, or averaged."""

    model: bytes
    """In Treelite's own format, which holds numbers only."""
    single: bool
    """Whether the estimator compares its inputs as float32."""
    greatest: float
    """A bound of the sum of the absolute values that the trees give a row."""

    @cached_property
    def _loaded(self) -> Any:
        import treelite  # a fifth of a second, which linear models do without

        return treelite.Model.deserialize_bytes(self.model)

    @cached_property
    def _forest(self) -> Forest | None:
        return Forest.of(self._loaded)

    def _raw(self, matrix: Floats) -> Floats:
        from treelite import gtil

        if self.single:
            matrix = matrix.astype(np.float32).astype(np.float64)
        if len(matrix) >= FEWEST_ROWS and self._forest and not np.isnan(matrix).any():
            return self._forest.predict(matrix)
        given = gtil.predict(self._loaded, matrix, nthread=1, pred_margin=True)
        return np.asarray(given, dtype=np.float64).reshape(len(matrix), -1)

    @property
    def trees(self) -> int:
        """How many there are."""
        return int(self._loaded.num_tree)

    def terms(self, encoder: Encoder, table: Table) -> Floats:  # noqa: ARG002 - as Linear's
        return np.full(table.rows, self.greatest)


@dataclass(frozen=True)
class LightGBM(_OfMatrix):
    """LightGBM's own trees, by its library: for a hundred rows in a quarter of the time that Treelite takes."""

    model: bytes
    """The text that LightGBM writes, which holds numbers and names only."""

    @cached_property
    def _loaded(self) -> Booster:
        return Booster(self.model)

    def _raw(self, matrix: Floats) -> Floats:
        return self._loaded.predict(matrix)

    @property
    def trees(self) -> int:
        """How many there are."""
        return self._loaded.trees

    def terms(self, encoder: Encoder, table: Table) -> Floats:  # noqa: ARG002 - as Linear's
        """Nothing: the answers are LightGBM's in both cases."""
        return np.zeros(table.rows)


@dataclass(frozen=True)
class XGBoost(_OfMatrix):
    """XGBoost's own trees: they sum in float32, in an order that only XGBoost has."""

    model: bytes
    """In XGBoost's own format, which holds numbers and names only."""
    sparse: bool
    """Whether the pipeline gives sparse rows, whose zeros XGBoost takes for missing."""

    @cached_property
    def _loaded(self) -> Any:
        import xgboost  # two seconds, for pandas and scikit-learn

        booster = xgboost.Booster({"nthread": 1})
        booster.load_model(bytearray(self.model))
        return booster

    def _raw(self, matrix: Floats) -> Floats:
        """The predictions, or the probability of each class."""
        matrix = np.where(matrix == 0, np.nan, matrix) if self.sparse else matrix
        given = self._loaded.inplace_predict(matrix, validate_features=False)
        return np.asarray(given).reshape(len(matrix), -1)

    @property
    def trees(self) -> int:
        """How many there are."""
        return len(self._loaded.get_dump())

    def terms(self, encoder: Encoder, table: Table) -> Floats:  # noqa: ARG002 - as Linear's
        """Nothing: the sums are XGBoost's in both cases."""
        return np.zeros(table.rows)


Estimator = Linear | Trees | LightGBM | XGBoost
