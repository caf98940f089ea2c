"""Totals over batches of scored rows, from which every metric is computed."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from perennial_trainer.data.categories import NO_CLASS, sorted_classes
from perennial_trainer.metrics.sampling import EvenSample
from perennial_trainer.metrics.scored_rows import Floats, ScoredRows

BLOCK = 65_536  # values
SAMPLE = 1_000_000  # rows at most, on which the roc_auc is computed
LEAST, MOST_PROBABILITIES = 100_000, 2_000_000  # fewer rows of many classes; its standard error is still below 0.002


@dataclass(frozen=True)
class Moments:
    """The number of values, their mean, and the sum of squared distances from it."""

    size: int = 0
    mean: float = 0.0
    squares: float = 0.0

    def merged(self, values: NDArray[Any]) -> "Moments":
        """With n more values, as in Chan, Golub and LeVeque, The American Statistician 37 (1983).

        A mean of 10^9 with a deviation of 1 loses no precision.
        """
        if not len(values):
            return self
        n, mean = len(values), float(values.mean())
        squares = float(((values - mean) ** 2).sum())
        if not self.size:
            return Moments(n, mean, squares)
        difference, total = mean - self.mean, self.size + n
        squares += self.squares + difference**2 * self.size * n / total
        return Moments(total, self.mean + difference * n / total, squares)

    @property
    def standard_error(self) -> float | None:
        """sd/sqrt(n); None below two values."""
        error = np.sqrt(self.squares / (self.size - 1) / self.size) if self.size > 1 else np.nan
        return float(error) if np.isfinite(error) else None


class RunningMoments:
    """The moments of all values added: blocks of one size are merged, so batches of any size give the same floats."""

    def __init__(self) -> None:
        self._blocks = Moments()
        self._rest: Floats = np.empty(0)

    def add(self, values: NDArray[Any]) -> None:
        values = np.concatenate([self._rest, values])
        whole = len(values) // BLOCK * BLOCK
        for start in range(0, whole, BLOCK):
            self._blocks = self._blocks.merged(values[start : start + BLOCK])
        self._rest = values[whole:].copy()

    @property
    def moments(self) -> Moments:
        return self._blocks.merged(self._rest)


class Totals:
    """Sums over all scored rows added, and an even sample of the rows for metrics that are not sums."""

    def __init__(self) -> None:
        self._row_values: dict[str, RunningMoments] = {}  # by metric
        self._target = RunningMoments()  # regression only
        self.sample: EvenSample[ScoredRows] | None = None  # classification only
        self._pairs: Counter[tuple[str, str]] = Counter()  # target, prediction
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
            self._row_values.setdefault(name, RunningMoments()).add(values)
        if not scored.classes:
            self._target.add(scored.target)
            return
        named = scored.positive not in (None, NO_CLASS)
        self._positive = scored.classes[int(scored.positive or 0)] if named else scored.positive
        self._classes.update(scored.classes)
        size = len(scored.classes)
        codes, counts = np.unique(scored.target * size + scored.prediction, return_counts=True)
        for code, count in zip(codes.tolist(), counts.tolist(), strict=True):
            target, prediction = divmod(code, size)
            self._pairs[scored.classes[target], scored.classes[prediction]] += count
        if self.sample is None:
            self.sample = EvenSample(min(SAMPLE, max(LEAST, MOST_PROBABILITIES // size)))
        self.sample.add(scored)

    def confusion(self) -> tuple[ScoredRows, Floats]:
        """One row for each pair of target and prediction that occurs, and how many rows have it."""
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
        )
