"""How good a version is, in words and as a table: beside the live version, and beside a model that reads no feature."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from perennial_trainer.contract.metric_table import LOSSES
from perennial_trainer.contract.result import Worsening
from perennial_trainer.contract.task import Kind
from perennial_trainer.reporting.drawing.figures import shorten
from perennial_trainer.reporting.html import Table
from perennial_trainer.reporting.numbers import percent, shown

LONGEST_UNIT = 24
BASELINES = {"regression": "mean of the training rows", "classification": "class frequencies"}


@dataclass(frozen=True)
class Scores:
    """The metrics on one holdout, of a version and of others, by name."""

    task: Kind
    target: str
    version: str
    values: Mapping[str, float]
    errors: Mapping[str, float]
    baseline: Mapping[str, float]
    live: str | None = None
    live_values: Mapping[str, float] | None = None

    def table(self) -> Table:
        """All metrics; the best of each is for the reader to see."""
        rows: list[tuple[Any, ...]] = []
        for name, value in self.values.items():
            live = [(self.live_values or {}).get(name)] if self.live else []
            label = with_unit(name, self.target)
            rows.append((label, value, self.errors.get(name), *live, self.baseline.get(name)))
        of_live = [f"{self.live} (live)"] if self.live else []
        head = ("metric", self.version, "± s.e.", *of_live, BASELINES[self.task])
        note = f"{_good(list(self.values))} The {BASELINES[self.task]}: a model that reads no feature."
        return Table("Metrics on the holdout", rows, head, note)

    def beside_baseline(self, rows: int) -> str:
        """The first metric in a sentence."""
        name, value = next(iter(self.values.items()))
        base = self.baseline.get(name)
        beside = f"; the {BASELINES[self.task]} have {shown(base)}" if base is not None else ""
        beside = beside.replace(" have ", " has ") if self.task == "regression" else beside
        return f"{name} {shown(value)} on {rows:,} rows that training did not see{beside}."

    def beside_live(self, worsening: Worsening, rows: int) -> str:
        """How much better or worse than the live version, in a sentence."""
        name, estimate = worsening.metric, worsening.estimate
        amount = percent(abs(estimate)) if name in LOSSES else shown(abs(estimate))
        direction = f"{amount} {'better' if estimate < 0 else 'worse'} than" if estimate else "as good as"
        of_live = shown((self.live_values or {}).get(name, float("nan")))
        values = f"{shown(self.values[name])} beside {of_live}"
        return (
            f"{self.version} is {direction} {self.live} in {name}: {values}, on {rows:,} rows that neither has learned."
        )


def with_unit(metric: str, target: str) -> str:
    """The metric with its unit, if it has one: that of the target, or its square."""
    units = {"mse": "²", "rmse": "", "mae": ""}
    return f"{metric} ({shorten(target, LONGEST_UNIT)}{units[metric]})" if metric in units else metric


def better_side(metric: str) -> str:
    return "lower is better" if metric in LOSSES else "higher is better"


def _good(metrics: list[str]) -> str:
    """Which way is better, of all metrics in one sentence."""
    lower = [name for name in metrics if name in LOSSES]
    higher = [name for name in metrics if name not in LOSSES]
    parts = [
        f"{kind} is better for {', '.join(names)}" for kind, names in (("lower", lower), ("higher", higher)) if names
    ]
    text = "; ".join(parts)
    return f"{text[:1].upper()}{text[1:]}."
