"""The rows that a model was scored on: their targets and predictions."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from perennial_trainer.contract.task import Kind
from perennial_trainer.data.categories import NO_CLASS
from perennial_trainer.data.values.plain_rows import Coded
from perennial_trainer.data.values.weights import Weights

Floats = NDArray[np.float64]
Groups = NDArray[np.intp]


@dataclass(frozen=True)
class ScoredRows:
    """Target and prediction of n rows.

    Regression: numbers. Classification: positions in `classes`, those that training knew; `probability` is n x classes,
    or None if the model gives none. A target of -1 is a class that training did not know, or a missing one. `positive`
    is the position of the class that f1, precision, recall and roc_auc are of, or NO_CLASS; None for the second of two,
    or the mean over more.
    """

    target: NDArray[Any]
    prediction: NDArray[Any]
    classes: tuple[str, ...] = ()
    probability: Floats | None = None
    positive: int | None = None
    weights: Weights | None = None  # None where each row stands for itself

    def __len__(self) -> int:
        return len(self.target)

    @property
    def task(self) -> Kind:
        return "classification" if self.classes else "regression"

    def take(self, which: NDArray[np.bool_ | np.intp]) -> "ScoredRows":
        probability = None if self.probability is None else self.probability[which]
        weights = self.weights and self.weights.take(which)
        return replace(
            self,
            target=self.target[which],
            prediction=self.prediction[which],
            probability=probability,
            weights=weights,
        )

    @property
    def equal(self) -> "ScoredRows":
        """Those rows each of which stands for as many, whose distribution is that of all rows."""
        return self if self.weights is None else self.take(self.weights.equal)

    def sums(self, values: NDArray[np.float64 | np.bool_], group: Groups, drawn: Floats) -> Floats:
        """The sum of the rows' values in each resample, which draws each group so often (resamples x groups)."""
        weighted = values if self.weights is None else values * self.weights.weight
        return np.asarray(drawn @ np.bincount(group, weighted))

    @property
    def has_known_class(self) -> NDArray[np.bool_]:
        """Which rows have a class that training knew: the others are in no metric. All rows of a regression."""
        return np.asarray(self.target >= 0) if self.classes else np.ones(len(self), dtype=bool)

    @property
    def predicted_values(self) -> Floats | Coded:
        """The predictions as numbers, or as the names of classes."""
        return Coded(self.classes, self.prediction) if self.classes else self.prediction

    @property
    def class_probabilities(self) -> dict[str, Floats]:
        """The probability of each class by its name, of the positive or the second of two; none without them."""
        if self.probability is None:
            return {}
        places = range(len(self.classes))
        if len(self.classes) == 2:
            place = 1 if self.positive in (None, NO_CLASS) else int(self.positive or 0)
            places = range(place, place + 1)
        return {self.classes[place]: self.probability[:, place] for place in places}
