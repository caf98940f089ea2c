"""What a compiled model answers, without pandas and scikit-learn."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from perennial_trainer.compiled.columns import Table
from perennial_trainer.compiled.estimators import Linear
from perennial_trainer.compiled.model import CompiledModel, Member
from perennial_trainer.contract.features.columns import Features
from perennial_trainer.serve.protocol import Column

ROWS, PRODUCTS, TREES = 256, 2**15, 800
"""Rows, products of numbers and trees passed that take a member about a millisecond; longer, and probes would wait."""


class CompiledAnswers:
    """The answers of a compiled model to features as a request has them."""

    def __init__(self, model: CompiledModel, features: Features) -> None:
        self._model = model
        self._features = features
        self.has_probabilities = model.has_probabilities
        self.rows_at_once = min(map(_rows_at_once, model.members)) // len(model.members)

    transformed_width = 0  # a model with a transformer is not compiled

    @property
    def classes(self) -> NDArray[Any]:
        return self._model.class_array

    def table(self, rows: int, columns: Mapping[str, Column]) -> Table:
        """The rows in the form that `predict` takes."""
        if self._features.derived:
            from perennial_trainer.data import conversion  # half a second, for pandas

            frame = conversion.feature_frame(columns, self._features)
            return Table(
                rows,
                {name: frame[name].to_numpy() for name in self._features.all_numeric},
                {name: frame[name].tolist() for name in self._features.all_categorical},
            )
        return Table.of_values(
            rows,
            {name: columns[name] for name in self._features.numeric},
            {name: columns[name] for name in self._features.categorical},
        )

    def predict(self, table: Table) -> NDArray[Any]:
        return self._model.predict(table)

    def predict_proba(self, table: Table) -> NDArray[np.float64]:
        return self._model.predict_proba(table)

    def names(self, table: Table, feature: str) -> Sequence[Any]:
        """The category of each row; no text where it is missing."""
        names: Sequence[Any] = table.names[feature]
        return names

    def known_categories(self) -> dict[str, frozenset[str]]:
        return self._model.known_categories()

    def scales(self) -> list[Mapping[str, tuple[float, float]]]:
        return self._model.scales()


def _rows_at_once(member: Member) -> int:
    if isinstance(member.estimator, Linear):
        return min(ROWS, PRODUCTS // (1 + len(member.encoder.numeric) * len(member.estimator.weights)))
    return TREES // max(member.estimator.trees, 100)
