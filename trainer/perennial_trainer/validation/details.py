"""What no gate needs of a validation and a person wants to know."""

from dataclasses import dataclass

from sklearn.pipeline import Pipeline

from perennial_trainer.data.rows import Rows
from perennial_trainer.metrics.scored_rows import ScoredRows
from perennial_trainer.validation.importance import Importance, permutation_importances
from perennial_trainer.validation.slices import Slice, measure_slices


@dataclass(frozen=True)
class Details:
    """`metric` is the one of slices and importances."""

    metric: str
    candidate: ScoredRows
    live: ScoredRows | None
    slices: list[Slice]
    importances: list[Importance]

    @classmethod
    def of_rows(
        cls, metric: str, rows: Rows, pipeline: Pipeline, candidate: ScoredRows, live: ScoredRows | None
    ) -> "Details":
        by_slice = measure_slices(metric, rows, candidate, live)
        return cls(metric, candidate, live, by_slice, permutation_importances(metric, pipeline, rows))
