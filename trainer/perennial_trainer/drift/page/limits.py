"""Each measured value beside its limit, and the sentence in which a check ends."""

from collections.abc import Sequence
from dataclasses import dataclass

from msgspec import UNSET

from perennial_trainer.contract.metric_table import CHANCE_LEVEL
from perennial_trainer.contract.result import DriftMetric
from perennial_trainer.contract.task import CheckTask
from perennial_trainer.contract.thresholds import Threshold
from perennial_trainer.drift.judged import Judged
from perennial_trainer.reporting.html import Table
from perennial_trainer.reporting.numbers import chance_text, shown

MOST_LISTED = 20
MOST_NAMED = 3  # in the sentence


@dataclass(frozen=True)
class Compared:
    """A value beside the limit that it is nearest to, or furthest beyond; without a limit nothing can be said."""

    threshold: Threshold
    metric: DriftMetric
    limit: float | None
    excess: float  # how far it is beyond the limit

    @property
    def label(self) -> str:
        return self.metric.name + (f" of {self.metric.feature}" if self.metric.feature else "")

    @property
    def is_beyond(self) -> bool:
        return self.limit is not None and self.excess > 0

    @property
    def is_breach(self) -> bool:
        """Beyond the limit by more than chance; without a chance the limit alone decides."""
        return self.is_beyond and (self.metric.chance is UNSET or self.metric.chance <= CHANCE_LEVEL)

    @property
    def side(self) -> str:
        """Where the value would be wrong."""
        return "below" if self.limit is not None and self.limit == self.threshold.min else "above"

    @property
    def sentence(self) -> str:
        value = f"{self.label} is {shown(self.metric.value)}"
        return f"{value}, {self.side} {shown(self.limit)}" if self.is_beyond and self.limit is not None else value

    @property
    def limit_text(self) -> str:
        if self.limit is None:
            return ""
        return f"{'≥' if self.side == 'below' else '≤'}\N{NO-BREAK SPACE}{shown(self.limit)}"

    @property
    def result(self) -> str:
        if self.limit is None:
            return "no limit applies"
        if self.is_breach:
            return "exceeded"
        return "beyond the limit, within chance" if self.is_beyond else "within the limit"


def compare_with_limits(thresholds: Sequence[Threshold], judged: Judged) -> list[Compared]:
    """The deciding value of each threshold, and every other value beyond a limit; breaches first."""
    pairs = [(each, metric) for each, metric in zip(thresholds, judged.deciding, strict=True) if metric]
    pairs += [
        (threshold, metric)
        for metric in judged.exceeded
        for threshold in thresholds
        if metric.name == threshold.metric and (not threshold.features or metric.feature in threshold.features)
    ]
    compared = {(id(threshold), metric.feature): compare_value(threshold, metric) for threshold, metric in pairs}
    return sorted(compared.values(), key=lambda each: (not each.is_breach, not each.is_beyond))


def compare_value(threshold: Threshold, metric: DriftMetric) -> Compared:
    """The value beside the limit of the threshold."""
    error = None if metric.standard_error is UNSET else metric.standard_error
    growth = threshold.increase.limit(error) if threshold.increase else None
    excesses = [(metric.value - threshold.max, threshold.max)] if threshold.max is not None else []
    excesses += [(threshold.min - metric.value, threshold.min)] if threshold.min is not None else []
    excesses += [(metric.value - growth, growth)] if growth is not None else []
    excess, limit = max(excesses, key=lambda pair: pair[0], default=(0.0, None))
    return Compared(threshold, metric, limit, excess)


def verdict(task: CheckTask, rows: int, compared: Sequence[Compared], otherwise: str) -> str:
    """What the check says about the limits, in one sentence; `otherwise` if the task has none."""
    if task.min_samples and rows < task.min_samples:
        return f"Only {rows:,} rows were measured, fewer than {task.min_samples:,}: the check decides nothing."
    if not task.thresholds:
        return f"{otherwise}."
    breached = {id(each.threshold): each for each in reversed(compared) if each.is_breach}
    kept = {id(each.threshold) for each in compared if each.limit is not None} - set(breached)
    total, others = len(task.thresholds), len(task.thresholds) - len(kept) - len(breached)
    unknown = f"; {others} could not be checked" if others else ""
    if breached:
        breaches = [each for each in compared if each.is_breach]
        more = f"; and {len(breaches) - MOST_NAMED} more values" if len(breaches) > MOST_NAMED else ""
        what = "; ".join(each.sentence for each in breaches[:MOST_NAMED]) + more
        return f"{len(breached)} of {total} limits {_are(len(breached))} exceeded: {what}{unknown}."
    if not kept:
        return f"None of the {total} limits could be checked."
    by_chance = [each.sentence for each in compared if each.is_beyond]
    chance = f"; what is beyond may be chance: {'; '.join(by_chance[:MOST_NAMED])}" if by_chance else ""
    subject = f"All {total} limits hold" if len(kept) == total else f"{len(kept)} of {total} limits hold"
    return f"{subject}{chance}{unknown}."


def limits_table(compared: Sequence[Compared], judged: Judged) -> Table:
    """Each value with its limit and its chance, then what was not measured."""
    shown_first = compared[:MOST_LISTED]
    rows: list[tuple[str, ...]] = [
        (each.label, _value(each.metric), each.limit_text, _chance(each.metric), each.result) for each in shown_first
    ]
    rows += [(each.metric, "", "", "", f"not measured: {each.reason}") for each in judged.not_measured]
    note = (
        f"Chance: how likely so great a value is without drift, corrected for all values compared. Beyond a limit, it "
        f"counts up to {chance_text(CHANCE_LEVEL)}; where there is no chance, the limit alone decides."
    )
    if len(compared) > MOST_LISTED:
        note += f" The first {MOST_LISTED} of {len(compared)} values."
    marked = [number for number, each in enumerate(shown_first) if each.is_breach]
    return Table("Each value and its limit", rows, ("metric", "value", "limit", "chance", "result"), note, marked)


def _value(metric: DriftMetric) -> str:
    error = "" if metric.standard_error is UNSET else f"\N{NO-BREAK SPACE}± {shown(metric.standard_error)}"
    return shown(metric.value) + error


def _chance(metric: DriftMetric) -> str:
    return "" if metric.chance is UNSET else chance_text(metric.chance)


def _are(count: int) -> str:
    return "is" if count == 1 else "are"
