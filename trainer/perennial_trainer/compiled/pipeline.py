"""A compiled model as a fitted pipeline: what asks one can ask the other."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from perennial_trainer.compiled.columns import Floats, Table
from perennial_trainer.compiled.model import CompiledModel


def table_of(features: Any, model: CompiledModel) -> Table:
    """Converted features by name, in a data frame or plain, as a request would have them."""
    encoder = model.members[0].encoder
    numbers = {name: np.asarray(features[name]) for name in encoder.numeric}
    names = {name: features[name] for name in encoder.categorical}
    return Table(len(next(iter((numbers | names).values()))), numbers, names)


class CompiledPipeline:
    """Takes converted features; a classifier has `classes_`, and `predict_proba` if it has probabilities."""

    def __init__(self, model: CompiledModel) -> None:
        self._model = model
        if model.classes:
            self.classes_: NDArray[Any] = model.class_array
        if model.has_probabilities:
            self.predict_proba = self._probabilities

    def predict(self, features: Any) -> NDArray[Any]:
        return np.asarray(self._model.predict(table_of(features, self._model)))

    def _probabilities(self, features: Any) -> Floats:
        return self._model.predict_proba(table_of(features, self._model))
