"""How far the probabilities of a classifier can be relied on: its calibration, and precision against recall."""

import numpy as np
from numpy.typing import NDArray

from perennial_trainer.data.privacy import FEWEST_ROWS
from perennial_trainer.metrics.scored_rows import ScoredRows
from perennial_trainer.reporting.drawing.curves import CURVES, Points, share_chart
from perennial_trainer.reporting.drawing.figures import Figure
from perennial_trainer.reporting.numbers import percent

GROUPS = 10  # of rows by their probability
FEWEST_IN_GROUP = 20  # a share of fewer rows says little
MOST_POINTS = 50

Floats = NDArray[np.float64]


def draw_probabilities(scored: dict[str, ScoredRows]) -> list[Figure]:
    """Of one of two classes by version, or of the most frequent classes of the first version; none without them."""
    columns = _columns(scored)
    if not columns:
        return []
    what = _what(scored)
    calibrated = {name: _calibration(*each) for name, each in columns.items()}
    curves = {name: _precision(*each) for name, each in columns.items()}
    note = f"Each point is of as many rows. On the line {what} is as frequent as predicted."
    shares = {name: percent(float(is_class.mean())) for name, (_, is_class) in columns.items()}
    base = next(iter(shares.values())) if len(set(shares.values())) == 1 else ", ".join(map(" ".join, shares.items()))
    precise = f"A model without knowledge has the precision {base} at any recall."
    names = (f"predicted probability of {what}", "share of rows that are of it")
    return [
        share_chart("Calibration", calibrated, names, ((0, 0), (1, 1)), note),
        share_chart("Precision and recall", curves, (f"recall of {what}", "precision"), (), precise),
    ]


def _what(scored: dict[str, ScoredRows]) -> str:
    classes = list(next(iter(scored.values())).class_probabilities)
    return f"class {classes[0]}" if len(classes) == 1 else "the class"


def _columns(scored: dict[str, ScoredRows]) -> dict[str, tuple[Floats, NDArray[np.bool_]]]:
    """The probability of a class and whether a row is of it, by the name of a curve; of rows enough for a point."""
    first = next(iter(scored.values()))
    if len(first) < FEWEST_IN_GROUP:
        return {}
    if len(first.class_probabilities) == 1:
        return {
            name: _of_class(each, *each.class_probabilities)
            for name, each in scored.items()
            if each.class_probabilities
        }
    frequency = np.bincount(first.target, minlength=len(first.classes))
    frequent = [each for each in np.argsort(-frequency, kind="stable") if frequency[each] >= FEWEST_ROWS]
    names = [first.classes[each] for each in frequent[: len(CURVES)]]
    return {name: _of_class(first, name) for name in names if name in first.class_probabilities}


def _of_class(scored: ScoredRows, name: str) -> tuple[Floats, NDArray[np.bool_]]:
    probability = scored.class_probabilities[name]
    return probability, np.asarray(scored.target == scored.classes.index(name))


def _calibration(probability: Floats, is_class: NDArray[np.bool_]) -> Points:
    """The mean probability and the share of the class, in groups of about as many rows by their probability."""
    groups = max(1, min(GROUPS, len(probability) // FEWEST_IN_GROUP))
    order = np.argsort(probability, kind="stable")
    return [
        (float(probability[which].mean()), float(is_class[which].mean())) for which in np.array_split(order, groups)
    ]


def _precision(probability: Floats, is_class: NDArray[np.bool_]) -> Points:
    """Recall and precision, if the rows from a probability on are taken for the class; of 10 rows or more."""
    order = np.argsort(-probability, kind="stable")
    ranked, positive = probability[order], np.cumsum(is_class[order])
    last = np.append(np.flatnonzero(np.diff(ranked)), len(ranked) - 1)  # of rows with one probability
    last = last[last + 1 >= FEWEST_ROWS]
    if not positive[-1] or not len(last):
        return []
    last = last[np.unique(np.linspace(0, len(last) - 1, MOST_POINTS).astype(int))]
    return [(float(positive[each] / positive[-1]), float(positive[each] / (each + 1))) for each in last]
