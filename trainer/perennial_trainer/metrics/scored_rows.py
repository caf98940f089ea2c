"""The rows that a model was scored on: their targets and predictions."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from perennial_trainer.contract.task import Kind

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]
Groups = NDArray[np.intp]


@dataclass(frozen=True)
class ScoredRows:
    """Target and prediction of n rows.

    Regression: numbers. Classification: positions in `classes`; `probability` is n x classes, or None if the model
    gives none.
    """

    target: NDArray[Any]
    prediction: NDArray[Any]
    classes: tuple[str, ...] = ()
    probability: Floats | None = None

    def __len__(self) -> int:
        return len(self.target)

    @property
    def task(self) -> Kind:
        return "classification" if self.classes else "regression"

    def take(self, which: NDArray[np.bool_ | np.intp]) -> "ScoredRows":
        probability = None if self.probability is None else self.probability[which]
        return ScoredRows(self.target[which], self.prediction[which], self.classes, probability)

    @property
    def predicted_values(self) -> "pd.Series[Any]":
        """The predictions as numbers, or as the names of classes."""
        import pandas as pd

        if not self.classes:
            return pd.Series(self.prediction)
        return pd.Series(np.asarray(self.classes, dtype=object)[self.prediction], dtype="str")

    @property
    def class_probabilities(self) -> dict[str, Floats]:
        """The probability of each class by its name, of the second one where there are two; none without them."""
        if self.probability is None:
            return {}
        first = 1 if len(self.classes) == 2 else 0
        return {name: self.probability[:, place] for place, name in enumerate(self.classes) if place >= first}
