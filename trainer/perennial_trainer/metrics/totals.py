"""Totals over batches of scored rows, from which every metric is computed."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from perennial_trainer.data.categories import NO_CLASS, sorted_classes
from perennial_trainer.data.values.weights import Weights, concatenate
from perennial_trainer.metrics.sampling import EvenSample
from perennial_trainer.metrics.scored_rows import Floats, ScoredRows

BLOCK = 65_536  # values
SAMPLE = 1_000_000  # rows at most, on which the roc_auc is computed
LEAST, MOST_PROBABILITIES = 100_000, 2_000_000  # fewer rows of many classes; its standard error is still below 0.002


@dataclass(frozen=True)
class Moments:
    """The weight of all values, their mean, the sum of squared distances from it, and what its error needs.

    Of each of the `draws`, a request or a value alone: with its `distance`, the sum of the weighted distances from the
    mean, and its own weight, `errors` is the sum of squared distances, `cross` that of distance times weight, and
    `weights` that of squared weights.
    """

    size: float = 0
    mean: float = 0.0
    squares: float = 0.0
    draws: int = 0
    errors: float = 0.0
    cross: float = 0.0
    weights: float = 0.0

    @classmethod
    def of(cls, values: NDArray[Any], weights: Weights | None = None) -> "Moments":
        """Of n > 0 values."""
        n = len(values)
        if weights is None:
            mean = float(values.mean())
            squares = float(((values - mean) ** 2).sum())
            return cls(n, mean, squares, n, squares, 0.0, n)
        size = float(weights.weight.sum())
        mean = float(weights.weight @ values) / size
        distances, request = values - mean, np.unique(weights.request, return_inverse=True)[1]
        distance, weight = np.bincount(request, weights.weight * distances), np.bincount(request, weights.weight)
        squares = float(weights.weight @ distances**2)
        sums = float(distance @ distance), float(distance @ weight), float(weight @ weight)
        return cls(size, mean, squares, len(weight), *sums)

    def merged(self, values: NDArray[Any], weights: Weights | None = None) -> "Moments":
        """With n more values, as in Chan, Golub and LeVeque, The American Statistician 37 (1983).

        A mean of 10^9 with a deviation of 1 loses no precision.
        """
        if not len(values):
            return self
        more = Moments.of(values, weights)
        if not self.size:
            return more
        total = self.size + more.size
        difference = more.mean - self.mean
        mean = self.mean + difference * more.size / total
        parts = (self._around(mean), more._around(mean))
        return Moments(
            total,
            mean,
            self.squares + more.squares + difference**2 * self.size * more.size / total,
            self.draws + more.draws,
            *(sum(each) for each in zip(*parts, strict=True)),
        )

    def _around(self, mean: float) -> tuple[float, float, float]:
        """Errors, cross and weights with the distances from another mean."""
        shift = self.mean - mean
        errors = self.errors + 2 * shift * self.cross + shift**2 * self.weights
        return errors, self.cross + shift * self.weights, self.weights

    @property
    def standard_error(self) -> float | None:
        """sd/sqrt(n); None below two draws.

        With weights that of a ratio of sums over requests (Cochran, Sampling Techniques, 1977, 6.4): rows of one
        request are alike.
        """
        if self.draws < 2:
            return None
        error = np.sqrt(self.errors * self.draws / (self.draws - 1)) / self.size
        return float(error) if np.isfinite(error) else None


class RunningMoments:
    """The moments of all values added: blocks of one size are merged, so batches of any size give the same floats.

    The rows of a request that lie in two blocks count as two draws.
    """

    def __init__(self) -> None:
        self._blocks = Moments()
        self._rest: Floats = np.empty(0)
        self._weights: Weights | None = None

    def add(self, values: NDArray[Any], weights: Weights | None = None) -> None:
        values = np.concatenate([self._rest, values])
        if weights and self._weights:
            weights = concatenate([self._weights, weights])
        whole = len(values) // BLOCK * BLOCK
        for start in range(0, whole, BLOCK):
            block = slice(start, start + BLOCK)
            self._blocks = self._blocks.merged(values[block], weights and weights.take(block))
        self._rest, self._weights = values[whole:].copy(), weights and weights.take(slice(whole, None))

    @property
    def moments(self) -> Moments:
        return self._blocks.merged(self._rest, self._weights)


class Totals:
    """Sums over all scored rows added, and an even sample of the rows for metrics that are not sums."""

    def __init__(self) -> None:
        self._row_values: dict[str, RunningMoments] = {}  # by metric
        self._target = RunningMoments()  # regression only
        self.sample: EvenSample[ScoredRows] | None = None  # classification only
        self._pairs: dict[tuple[str, str], float] = {}  # target, prediction: the weight of their rows
        self._classes: set[str] = set()
        self._positive: str | int | None = None  # the name of the class, or NO_CLASS

    @property
    def row_values(self) -> dict[str, Moments]:
        return {name: each.moments for name, each in self._row_values.items()}

    @property
    def target(self) -> Moments:
        return self._target.moments

    def add(self, scored: ScoredRows, row_values: Mapping[str, Floats]) -> None:
        """Adds n > 0 rows; `row_values` has a value of each row for each metric that is a mean."""
        for name, values in row_values.items():
            self._row_values.setdefault(name, RunningMoments()).add(values, scored.weights)
        if not scored.classes:
            self._target.add(scored.target, scored.weights)
            return
        named = scored.positive not in (None, NO_CLASS)
        self._positive = scored.classes[int(scored.positive or 0)] if named else scored.positive
        self._classes.update(scored.classes)
        size = len(scored.classes)
        codes, place = np.unique(scored.target * size + scored.prediction, return_inverse=True)
        counts = np.bincount(place, None if scored.weights is None else scored.weights.weight)
        for code, count in zip(codes.tolist(), counts.tolist(), strict=True):
            target, prediction = divmod(code, size)
            pair = scored.classes[target], scored.classes[prediction]
            self._pairs[pair] = self._pairs.get(pair, 0) + count
        if self.sample is None:
            self.sample = EvenSample(min(SAMPLE, max(LEAST, MOST_PROBABILITIES // size)))
        self.sample.add(scored)

    def confusion(self) -> tuple[ScoredRows, Floats]:
        """One row for each pair of target and prediction that occurs, and the weight of its rows."""
        classes = sorted_classes(self._classes)
        position = {name: number for number, name in enumerate(classes)}
        pairs = np.array([[position[target], position[prediction]] for target, prediction in self._pairs])
        positive = position[self._positive] if isinstance(self._positive, str) else self._positive
        counts = np.array(list(self._pairs.values()), dtype=np.float64)
        return ScoredRows(pairs[:, 0], pairs[:, 1], classes, positive=positive), counts

    def sampled_rows(self) -> ScoredRows:
        """The sample as one table. A batch knows only the classes of its own rows and of the model."""
        classes = sorted_classes(self._classes)
        position = {name: number for number, name in enumerate(classes)}
        targets, predictions, probabilities = [], [], []
        assert self.sample is not None
        for batch in self.sample.batches:
            columns = np.array([position[name] for name in batch.classes])
            targets.append(columns[batch.target])
            predictions.append(columns[batch.prediction])
            if batch.probability is not None:
                probability = np.zeros((len(batch), len(classes)))
                probability[:, columns] = batch.probability
                probabilities.append(probability)
        return ScoredRows(
            np.concatenate(targets),
            np.concatenate(predictions),
            classes,
            np.concatenate(probabilities) if probabilities else None,
            position[self._positive] if isinstance(self._positive, str) else self._positive,
            concatenate([batch.weights for batch in self.sample.batches]),
        )
