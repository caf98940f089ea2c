"""The numbers that a model can take: those that are finite as float32 after the pipeline has scaled them.

Forests and networks compute in float32, and any model fails for a value that scaling makes infinite. One such value
would fail all the requests that share a call with it, so it is refused before.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from perennial_trainer.contract.features.columns import Features
from perennial_trainer.serve.protocol import Inference
from perennial_trainer.serve.tensors import BadRequestError

# A little less than the greatest float32, so that rounding makes none infinite, and than the greatest float64.
GREATEST_SCALED, GREATEST = 3.4e38, 1e307


class Bounds:
    """The least and the greatest value of each numeric feature.

    `scales` are the mean and the scale of each, by member of a blend; without any, the bounds are those of scaled
    values.
    """

    def __init__(self, scales: Sequence[Mapping[str, tuple[float, float]]], features: Features) -> None:
        self._features = features
        self._names = features.all_numeric
        low, high = zip(*(_bounds_of(each, self._names) for each in scales), strict=True)
        self._low, self._high = np.max(low, axis=0), np.min(high, axis=0)

    def check(self, inference: Inference) -> None:
        """Raises a BadRequestError that names the first value beyond its bounds."""
        if not self._names:
            return
        columns: Mapping[str, Any] = inference.columns
        if self._features.derived:
            from perennial_trainer.data.derived.features import derived_numbers  # half a second, for pandas

            missing = np.full(inference.rows, np.nan)  # what is derived from a time is never too large
            others = dict.fromkeys(self._names, missing)
            columns = {**others, **columns, **derived_numbers(columns, self._features)}
        values = np.array([columns[name] for name in self._names], dtype=np.float64)
        exceeding = (values < self._low) | (values > self._high)  # not for NaN, a missing value
        if not np.count_nonzero(exceeding):
            return
        feature, row = (int(index) for index in np.argwhere(exceeding)[0])
        low, high = self._low[feature, 0], self._high[feature, 0]
        raise BadRequestError(
            f"{self._kind(feature)} {self._names[feature]} is {values[feature, row]:.6g} in row {row} (the first row "
            f"is 0), but the model takes {low:.3g} to {high:.3g}: send null for a missing value"
        )

    def _kind(self, feature: int) -> str:
        return "input" if feature < len(self._features.numeric) else "derived feature"


def _bounds_of(
    scales: Mapping[str, tuple[float, float]], numeric: Sequence[str]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Two columns."""
    pairs = np.array([scales.get(name, (0.0, 1.0)) for name in numeric], dtype=np.float64).reshape(len(numeric), 2)
    mean, scale = pairs[:, :1], pairs[:, 1:]
    with np.errstate(over="ignore"):
        reach = np.minimum(scale * GREATEST_SCALED, GREATEST)
        return np.maximum(mean - reach, -GREATEST), np.minimum(mean + reach, GREATEST)
