"""Measures what the guards of a refit are judged by, on the rows of the validation."""

from typing import Any

import numpy as np
from msgspec import UNSET
from numpy.typing import NDArray

from perennial_trainer.artifacts.model_file import load_version
from perennial_trainer.contract.result import RefitMeasured
from perennial_trainer.contract.task import SliceBy, Version
from perennial_trainer.data.rows import Rows
from perennial_trainer.metrics.evaluate import measure_all
from perennial_trainer.metrics.scored_rows import ScoredRows
from perennial_trainer.models.scoring import score
from perennial_trainer.validation.slices import worst_groups

MOST = 1e9  # JSON has no infinity


def measure_refit(
    refit: Version, rows: Rows, candidate: ScoredRows, live: ScoredRows | None, slices: tuple[SliceBy, ...]
) -> RefitMeasured:
    """The refit on the rows on which candidate and live version were scored; it has learned these rows.

    Raises a RejectedTask: ArtifactMissing, DigestMismatch, and what else prevents its file from being loaded.
    """
    scored = score(load_version(refit), rows, candidate.classes)
    answers = _values(candidate, candidate.prediction)
    return RefitMeasured(
        metrics={name: measure.value for name, measure in measure_all(scored).items()},
        difference=_distance(_values(scored, scored.prediction), answers, candidate),
        error=_distance(_values(candidate, candidate.target), answers, candidate),
        slices=worst_groups(slices, rows, scored, live) if slices and live else UNSET,
    )


def _values(scored: ScoredRows, which: NDArray[Any]) -> NDArray[Any]:
    """Numbers, or the names of classes."""
    return np.asarray(scored.classes, dtype=object)[which] if scored.classes else which


def _distance(one: NDArray[Any], other: NDArray[Any], candidate: ScoredRows) -> float:
    """The mean square of the differences as a share of the target's variance, or the share of other classes."""
    if candidate.classes:
        return float(np.mean(one != other))
    with np.errstate(over="ignore", invalid="ignore"):
        share = float(np.mean((one - other) ** 2) / (np.var(candidate.target) or 1.0))
    return share if share <= MOST else MOST  # also where a prediction is not a number
