"""How good a model is on rows that come in batches."""

import numpy as np

from perennial_trainer.contract.metric_table import quality_metrics
from perennial_trainer.contract.task import Kind
from perennial_trainer.metrics.computation import Measurement
from perennial_trainer.metrics.registry import COMPUTATIONS, row_values
from perennial_trainer.metrics.scored_rows import ScoredRows
from perennial_trainer.metrics.totals import Totals


class StreamedMetrics:
    """The metrics of all scored rows added, the same floats in whatever batches they come.

    Rows of a class that training did not know are in no metric. roc_auc needs every row: of very many, it is that of
    every 2nd, 4th, 8th ...
    """

    def __init__(self) -> None:
        self._totals = Totals()
        self._task: Kind | None = None  # of the rows added

    def add(self, scored: ScoredRows) -> None:
        known = scored.has_known_class
        if not known.all():
            scored = scored.take(known)
        if not len(scored):
            return
        self._task = scored.task
        values = {name: row_values(name, scored) for name in quality_metrics(scored.task)}
        self._totals.add(scored, {name: each for name, each in values.items() if each is not None})

    def measurements(self) -> dict[str, Measurement]:
        """Every metric that is defined, the most informative first; none for no rows."""
        if self._task is None:
            return {}
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            measurements = {name: COMPUTATIONS[name].from_totals(self._totals) for name in quality_metrics(self._task)}
        return {name: each for name, each in measurements.items() if np.isfinite(each.value)}
