"""The profile of the training rows and of the scored holdout."""

from typing import TypeVar

import msgspec

from perennial_trainer.data.rows import Rows
from perennial_trainer.metrics.scored_rows import ScoredRows
from perennial_trainer.profiling.columns import MOST_POINTS, profile_column, profile_numbers
from perennial_trainer.profiling.profile import CategoricalProfile, ColumnProfile, Profile, ProfileMetric

Column = TypeVar("Column", bound=ColumnProfile)

FEWEST_POINTS, ALL_POINTS = 100, 12_000  # of a column, and of all: 33 bytes each
MOST_CLASSES = 20  # whose probabilities are profiled


def build_profile(rows: Rows, scored: ScoredRows, metrics: dict[str, ProfileMetric], independent: int) -> Profile:
    """The profile of n > 0 rows and of the scored holdout: coarser where numeric features are many, to stay small.

    The holdout counts as so many `independent` rows in the chance of drift of the predictions.
    """
    rows, scored = rows.equal, scored.equal
    measured = rows.measured
    numeric = sum(values.dtype.kind == "f" for _, values in measured.items())
    points = min(MOST_POINTS, max(FEWEST_POINTS, ALL_POINTS // max(1, numeric)))
    return Profile(
        rows=len(rows),
        features={str(name): profile_column(values, points) for name, values in measured.items()},
        target=profile_column(rows.target),
        prediction=_of_rows(profile_column(scored.predicted_values), independent),
        metrics=metrics,
        probabilities={
            name: _of_rows(profile_numbers(values, FEWEST_POINTS), independent)
            for name, values in list(scored.class_probabilities.items())[:MOST_CLASSES]
        },
    )


def _of_rows(profile: Column, rows: int) -> Column:
    """The profile as that of so many rows; one of very many classes has counts, and stays as it is."""
    counted = isinstance(profile, CategoricalProfile) and profile.other_counts
    return profile if counted else msgspec.structs.replace(profile, rows=rows)
