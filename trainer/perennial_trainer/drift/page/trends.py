"""How the deciding value of each threshold went over the last checks."""

from datetime import datetime

from perennial_trainer.contract.result import DriftMetric
from perennial_trainer.contract.task import CheckTask
from perennial_trainer.drift.judged import Judged
from perennial_trainer.drift.page.limits import Compared, compare_value
from perennial_trainer.reporting.drawing.curves import trend_chart
from perennial_trainer.reporting.drawing.figures import Figure

MOST = 6  # figures


def trend_figures(task: CheckTask, judged: Judged) -> list[Figure]:
    """A figure for each threshold with earlier values; those that are exceeded come first."""
    if task.now is None:
        return []
    pairs = [
        (compare_value(threshold, metric), _values(task, number, metric, task.now))
        for number, (threshold, metric) in enumerate(zip(task.thresholds, judged.deciding, strict=True))
        if metric
    ]
    with_past = [pair for pair in pairs if len(pair[1]) > 1]
    with_past.sort(key=lambda pair: not pair[0].is_breach)
    return [_figure(*pair) for pair in with_past[:MOST]]


def _values(task: CheckTask, number: int, metric: DriftMetric, now: datetime) -> list[tuple[float, str, float]]:
    past = [
        (each.time, value)
        for each in task.previous
        if len(each.values) == len(task.thresholds) and (value := each.values[number]) is not None
    ]
    return [(time.timestamp(), f"{time:%Y-%m-%d %H:%M}", value) for time, value in (*past, (now, metric.value))]


def _figure(compared: Compared, values: list[tuple[float, str, float]]) -> Figure:
    metric, features = compared.threshold.metric, compared.threshold.features
    of = " of the feature nearest to the limit" if compared.metric.feature else ""
    of = f" of {compared.metric.feature}" if len(features) == 1 else of
    limit = f": {compared.limit_text}" if compared.limit_text else ""
    return trend_chart(f"{metric}{of}{limit}", values, compared.limit)
