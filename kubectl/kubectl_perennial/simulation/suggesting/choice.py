"""Which policy wins: the one with the fewest trainings among those whose loss is about the least."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kubectl_perennial.simulation.backtest import Result
from kubectl_perennial.simulation.played import weighted

POINTS = 0.02
"""Of recovery: a policy that recovers so much less than the best one is about as good."""


@dataclass(frozen=True)
class Choice:
    """Places of policies in the results."""

    winner: int
    best: int
    """The one with the least loss."""
    near: tuple[int, ...]
    """Those whose loss is about the least, the best one among them."""
    barred: tuple[int, ...]
    """Those that are never chosen: they raise more alarms on the shuffled rows than another."""


def choose(results: Sequence[Result]) -> Choice:
    """The winner has the fewest trainings of those that are near the best; of equal ones the least loss."""
    alarms = [len(each.shuffled.alarms) if each.shuffled else 0 for each in results]
    barred = tuple(place for place, count in enumerate(alarms) if count > min(alarms))
    places = [place for place in range(len(results)) if place not in barred]
    best = min(places, key=lambda place: results[place].played.loss)
    near = tuple(place for place in places if _is_near(results[place], results[best]))
    winner = min(near, key=lambda place: (results[place].played.trainings, results[place].played.loss))
    return Choice(winner, best, near, barred)


def _is_near(result: Result, best: Result) -> bool:
    """Within two points of recovery, or within one standard error of the difference."""
    gain = max(0.0, best.first_loss - best.always_loss)
    return result.played.loss - best.played.loss <= max(POINTS * gain, _standard_error(result, best))


def _standard_error(result: Result, best: Result) -> float:
    """Of the mean difference of two policies' losses on the same rows, by batches."""
    difference, rows = result.played.losses - best.played.losses, best.played.rows
    known = np.isfinite(difference) & (rows > 0)
    if known.sum() < 2:
        return 0.0
    mean, weights = weighted(difference, rows), rows[known] / rows[known].sum()
    count = known.sum()
    variance = float((weights**2 * (difference[known] - mean) ** 2).sum()) * count / (count - 1)
    return float(np.sqrt(variance))
