"""Totals over batches of scored rows, from which every metric is computed."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from perennial_trainer.data.categories import sorted_classes
from perennial_trainer.metrics.sampling import EvenSample
from perennial_trainer.metrics.scored_rows import Floats, ScoredRows

SAMPLE = 100_000  # rows at most, on which the roc_auc is computed: its standard error is then below 0.002


@dataclass
class Moments:
    """The number of values, their mean, and the sum of squared distances from it.

    Batches are merged as in Chan, Golub and LeVeque, The American Statistician 37 (1983): a mean of 10^9 with a
    deviation of 1 loses no precision.
    """

    size: int = 0
    mean: float = 0.0
    squares: float = 0.0

    def add(self, values: NDArray[Any]) -> None:
        n, mean = len(values), float(values.mean())
        difference, total = mean - self.mean, self.size + n
        self.squares += float(((values - mean) ** 2).sum()) + difference**2 * self.size * n / total
        self.mean += difference * n / total
        self.size = total

    @property
    def standard_error(self) -> float | None:
        """sd/sqrt(n); None below two values."""
        error = np.sqrt(self.squares / (self.size - 1) / self.size) if self.size > 1 else np.nan
        return float(error) if np.isfinite(error) else None


class Totals:
    """Sums over all scored rows added, and an even sample of the rows for metrics that are not sums."""

    def __init__(self) -> None:
        self.row_values: dict[str, Moments] = {}  # by metric
        self.target = Moments()  # regression only
        self.sample: EvenSample[ScoredRows] = EvenSample(SAMPLE)  # classification only
        self._pairs: Counter[tuple[str, str]] = Counter()  # target, prediction
        self._classes: set[str] = set()

    def add(self, scored: ScoredRows, row_values: Mapping[str, Floats]) -> None:
        """Adds n > 0 rows; `row_values` has a value of each row for each metric that is a mean."""
        for name, values in row_values.items():
            self.row_values.setdefault(name, Moments()).add(values)
        if not scored.classes:
            self.target.add(scored.target)
            return
        self._classes.update(scored.classes)
        size = len(scored.classes)
        codes, counts = np.unique(scored.target * size + scored.prediction, return_counts=True)
        for code, count in zip(codes.tolist(), counts.tolist(), strict=True):
            target, prediction = divmod(code, size)
            self._pairs[scored.classes[target], scored.classes[prediction]] += count
        self.sample.add(scored)

    def confusion(self) -> tuple[ScoredRows, Floats]:
        """One row for each pair of target and prediction that occurs, and how many rows have it."""
        classes = sorted_classes(self._classes)
        position = {name: number for number, name in enumerate(classes)}
        pairs = np.array([[position[target], position[prediction]] for target, prediction in self._pairs])
        return ScoredRows(pairs[:, 0], pairs[:, 1], classes), np.array(list(self._pairs.values()), dtype=np.float64)

    def sampled_rows(self) -> ScoredRows:
        """The sample as one table. A batch knows only the classes of its own rows and of the model."""
        classes = sorted_classes(self._classes)
        position = {name: number for number, name in enumerate(classes)}
        targets, predictions, probabilities = [], [], []
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
        )
