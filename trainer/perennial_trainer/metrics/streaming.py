"""How good a model is on rows that come in batches: the metrics of `metrics.measure`, from what adds up."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from perennial_trainer.data.categories import sorted_classes
from perennial_trainer.metrics.measures import Floats, Measure, Scored, measure
from perennial_trainer.metrics.sampling import Thinned

SAMPLE = 100_000  # rows at most, of which the roc_auc is: its standard error is then below 0.002


@dataclass
class Moments:
    """The number of values, their mean, and the sum of squared distances from it.

    Batches are put together as Chan, Golub and LeVeque, The American Statistician 37 (1983), do: a mean of 10^9 with a
    deviation of 1 loses nothing.
    """

    size: int = 0
    mean: float = 0.0
    squares: float = 0.0

    def add(self, values: NDArray[Any]) -> None:
        n, mean = len(values), float(values.mean())
        apart, total = mean - self.mean, self.size + n
        self.squares += float(((values - mean) ** 2).sum()) + apart**2 * self.size * n / total
        self.mean += apart * n / total
        self.size = total

    @property
    def standard_error(self) -> float | None:
        """sd/sqrt(n); None below two values."""
        error = np.sqrt(self.squares / (self.size - 1) / self.size) if self.size > 1 else np.nan
        return float(error) if np.isfinite(error) else None


class Performance:
    """Of the scored rows added; every number is that of `measure` on all of them at once, to rounding.

    Except for roc_auc, which needs every row: of more than `SAMPLE`, it is of every second, fourth, eighth ... one.
    """

    def __init__(self) -> None:
        self._losses: dict[str, Moments] = {}
        self._truth = Moments()
        self._pairs: Counter[tuple[str, str]] = Counter()  # class, answer
        self._classes: set[str] = set()
        self._sample: Thinned[Scored] = Thinned(SAMPLE)
        self._rows = 0

    def add(self, scored: Scored) -> None:
        if not len(scored):
            return
        for name, values in scored.losses.items():
            self._losses.setdefault(name, Moments()).add(values)
        if scored.classes:
            self._classes.update(scored.classes)
            codes, counts = np.unique(scored.truth * len(scored.classes) + scored.answer, return_counts=True)
            for code, count in zip(codes.tolist(), counts.tolist(), strict=True):
                truth, answer = divmod(code, len(scored.classes))
                self._pairs[scored.classes[truth], scored.classes[answer]] += count
            self._sample.add(scored)
        else:
            self._truth.add(scored.truth)
        self._rows += len(scored)

    def measures(self) -> dict[str, Measure]:
        """Every metric that is defined, most telling first; nothing for no rows."""
        means = {name: Measure(moments.mean, moments.standard_error) for name, moments in self._losses.items()}
        if not means:
            return {}
        found = self._of_classes(means) if self._classes else self._of_numbers(means)
        return {name: each for name, each in found.items() if np.isfinite(each.value)}

    def _of_numbers(self, means: dict[str, Measure]) -> dict[str, Measure]:
        mse = means["mse"]
        rmse = float(np.sqrt(mse.value))
        of_rmse = None if mse.standard_error is None or not rmse else mse.standard_error / (2 * rmse)
        found = {"mse": mse, "rmse": Measure(rmse, of_rmse), "mae": means["mae"]}
        if self._truth.squares > 0:
            found["r2"] = Measure(1 - mse.value * self._rows / self._truth.squares)
        return found

    def _of_classes(self, means: dict[str, Measure]) -> dict[str, Measure]:
        found = {"accuracy": means["accuracy"], "f1": Measure(self._f1())}
        if "log_loss" in means:
            found["log_loss"] = means["log_loss"]
        of_sample = measure(self._whole_sample())
        return found | {name: of_sample[name] for name in ("roc_auc",) if name in of_sample}

    def _f1(self) -> float:
        """2 tp / (2 tp + fp + fn), by the same classes as `metrics`."""
        classes = sorted_classes(self._classes)
        occurring = sorted({name for pair in self._pairs for name in pair})
        each = []
        for name in [classes[1]] if len(classes) == 2 else occurring:
            total = sum(count * pair.count(name) for pair, count in self._pairs.items())
            each.append(2 * self._pairs[name, name] / total if total else np.nan)
        return float(np.mean(each))

    def _whole_sample(self) -> Scored:
        """One table: a batch knows only the classes of its own rows and of the model."""
        classes = sorted_classes(self._classes)
        place = {name: number for number, name in enumerate(classes)}
        truths, answers, probabilities = [], [], []
        for part in self._sample.parts:
            own = np.array([place[name] for name in part.classes])
            truths.append(own[part.truth])
            answers.append(own[part.answer])
            if part.probability is not None:
                wide = np.zeros((len(part), len(classes)))
                wide[:, own] = part.probability
                probabilities.append(wide)
        probability: Floats | None = np.concatenate(probabilities) if probabilities else None
        return Scored(np.concatenate(truths), np.concatenate(answers), classes, probability)
