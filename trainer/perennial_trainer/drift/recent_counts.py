"""Counts recent rows, and scores the live version on those that have a target."""

from collections.abc import Callable
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from perennial_trainer.contract.errors import RejectedTask
from perennial_trainer.contract.features.columns import Features
from perennial_trainer.data.notes import Notes
from perennial_trainer.data.values.plain_rows import PlainRows
from perennial_trainer.drift.histogram import Histogram, NumericHistogram
from perennial_trainer.drift.recent_rows.batch import Batch
from perennial_trainer.drift.recent_rows.digest import RowsDigest
from perennial_trainer.drift.recent_rows.period import Period
from perennial_trainer.drift.recent_rows.unreadable import UnreadableShare
from perennial_trainer.metrics.sampling import EvenSample
from perennial_trainer.metrics.scored_rows import ScoredRows
from perennial_trainer.metrics.streaming import StreamedMetrics

if TYPE_CHECKING:
    from perennial_trainer.data.rows import Rows

    Model = Callable[[], Future[Any]]

MOST_VALUES = 20_000_000  # of the rows that are kept for a challenger: 160 MB as numbers
MAX_COMPARED = 20_000  # rows with a target that a challenger predicts too
MAX_UNLABELLED = 20_000  # rows without a target that are scored: enough for the distribution of the predictions


def most_rows(rows: int, features: Features) -> int:
    """So many rows, or fewer where the features are so many that the rows would need much memory."""
    return min(rows, max(1, MOST_VALUES // len({*features.names, *features.inputs})))


@dataclass
class RecentCounts:
    """The counts of the recent rows added."""

    pool: Executor  # counts the values of a batch while the model is asked about its rows
    features: dict[str, Histogram]
    target: Histogram
    prediction: Histogram
    probabilities: dict[str, NumericHistogram]
    unlabelled: EvenSample[Any] | None  # of batches or plain rows; None if rows without a target are not to be scored
    compared: EvenSample[Batch] | None = None  # rows with a target, for a challenger; None without one
    late: "Rows | None" = None  # earlier rows, the oldest first, whose targets have come since; None if none are scored
    why_none_is_late: str = ""
    performance: StreamedMetrics = field(default_factory=StreamedMetrics)
    rows: int = 0
    labelled: int = 0
    of_new_class: int = 0  # of the labelled rows
    odd_targets: UnreadableShare = field(default_factory=UnreadableShare)
    period: Period = field(default_factory=Period)
    notes: Notes = field(default_factory=Notes)
    digest: RowsDigest = field(default_factory=RowsDigest)

    def add(self, batch: Batch, model: "Model") -> None:
        """Counts the batch and scores its rows that have a target; a row that the server would refuse has no score."""
        equal, labelled = batch.equal, batch.labelled
        if self.unlabelled is not None:
            batch.plain  # noqa: B018 - whose values are counted then, and not converted twice
        counted = self.pool.submit((batch if equal.all() else batch.take(equal)).count_into, self.features, self.digest)
        rows = (_plain(model, batch) or batch.rows).take(labelled) if labelled.any() else None
        scored = _score(model, rows) if rows else None
        counted.result()
        for name, count in batch.unusable.items():
            self.notes.add_unusable(name, count)
        self.odd_targets.add(batch.unreadable_target, int(labelled.sum()))
        if rows and scored:
            self.of_new_class += int((~scored.has_known_class).sum())
            target = rows.equal.target
            self.target.add(target)
            self.digest.add_values(target)
            self.performance.add(scored)
            self._add_predictions(scored.equal)
            if self.compared is not None:
                self.compared.add(batch if labelled.all() else batch.take(labelled))
        unlabelled = ~labelled & ~batch.refused & equal
        if self.unlabelled is not None and unlabelled.any():
            asked = _plain(model, batch) or batch
            self.unlabelled.add(asked if unlabelled.all() else asked.take(unlabelled))
        self.rows += len(batch)
        self.labelled += int(labelled.sum())
        self.period.add(batch.time)
        self.digest.add_times(batch.time)

    def add_late(self, rows: "Rows", model: "Model") -> None:
        """Scores the newest of these earlier rows in place of the recent ones; there are no more of them."""
        self.late = rows
        self.performance = StreamedMetrics()
        self.performance.add(_score(model, self._newest_late))

    @property
    def _newest_late(self) -> "Rows":
        assert self.late is not None
        return self.late.take(slice(max(0, len(self.late) - self.rows), None))

    def scored_rows(self, fewest: int) -> "Rows | None":
        """The rows with a target whose predictions are compared; None if they are too few."""
        from perennial_trainer.data.rows import concatenate

        if self.late is not None:
            return self._newest_late
        if self.compared is None or self.labelled < fewest:
            return None
        return concatenate([batch.rows for batch in self.compared.batches])

    @property
    def counts(self) -> str:
        """How many rows there are, as the message says it."""
        if self.late is None:
            return f"{self.rows} rows, {self.labelled} with a target"
        return f"{self.rows} rows, scored by {len(self._newest_late)} earlier ones whose targets have come since"

    def score_unlabelled(self, model: "Model") -> None:
        """Counts the predictions for a sample of the rows without a target; call it once, after the last batch."""
        if self.unlabelled is None:
            return
        parts: list[Rows | PlainRows] = [each for each in self.unlabelled.batches if isinstance(each, PlainRows)]
        if len(parts) < len(self.unlabelled.batches):
            from perennial_trainer.data.rows import concatenate

            parts.append(concatenate([each.rows for each in self.unlabelled.batches if isinstance(each, Batch)]))
        for rows in parts:
            self._add_predictions(_score(model, rows), self.unlabelled.step)

    def require_numbers(self) -> None:
        """Each numeric feature has a number, or no value at all; else a RejectedTask, NonNumericFeature."""
        for name, histogram in self.features.items():
            count = self.notes.unusable[name]
            if count and histogram.rows == histogram.missing:
                raise RejectedTask(
                    "NonNumericFeature",
                    f"none of {count} values of the numeric feature {name} is a finite number: fix what writes the "
                    "column, or say in data.csv how the file writes numbers",
                )

    def _add_predictions(self, scored: ScoredRows, weight: int = 1) -> None:
        self.prediction.add(scored.predicted_values, weight)
        for name, values in scored.class_probabilities.items():
            if name in self.probabilities:
                self.probabilities[name].add(values, weight)

    @property
    def others(self) -> dict[str, list[Histogram]]:
        """The histograms of the predictions, or of the probabilities if the model gives them, and of the target."""
        predictions: list[Histogram] = [each for each in self.probabilities.values() if each.rows]
        others = {"prediction": predictions or [self.prediction], "target": [self.target]}
        return {name: each for name, each in others.items() if each[0].rows}


def _plain(model: "Model", batch: Batch) -> PlainRows | None:
    """The rows as they are, if none needs a conversion and the model is compiled, so that it takes them."""
    from perennial_trainer.compiled.pipeline import CompiledPipeline

    return batch.plain if isinstance(model().result(), CompiledPipeline) else None


def _score(model: "Model", rows: "Rows | PlainRows") -> ScoredRows:
    from perennial_trainer.models.scoring import score

    return score(model().result(), rows)
