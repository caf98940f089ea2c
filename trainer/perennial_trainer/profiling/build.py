"""The profile of the training rows and of the scored holdout."""

from perennial_trainer.data.rows import Rows
from perennial_trainer.metrics.scored_rows import ScoredRows
from perennial_trainer.profiling.columns import MOST_POINTS, profile_column, profile_numbers
from perennial_trainer.profiling.profile import Profile, ProfileMetric

FEWEST_POINTS, ALL_POINTS = 100, 12_000  # of a column, and of all: 33 bytes each
MOST_CLASSES = 20  # whose probabilities are profiled


def build_profile(rows: Rows, scored: ScoredRows, metrics: dict[str, ProfileMetric]) -> Profile:
    """The profile of n > 0 rows and of the scored holdout: coarser where numeric features are many, to stay small."""
    numeric = len(rows.columns.features.numeric)
    points = min(MOST_POINTS, max(FEWEST_POINTS, ALL_POINTS // max(1, numeric)))
    return Profile(
        rows=len(rows),
        features={str(name): profile_column(values, points) for name, values in rows.features.items()},
        target=profile_column(rows.target),
        prediction=profile_column(scored.predicted_values),
        metrics=metrics,
        probabilities={
            name: profile_numbers(values, FEWEST_POINTS)
            for name, values in list(scored.class_probabilities.items())[:MOST_CLASSES]
        },
    )
