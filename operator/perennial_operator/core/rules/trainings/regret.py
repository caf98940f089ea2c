"""Is a model of newer rows shown to be better than the live version, by all checks since it went live?

In each check a challenger and the live version predict the same rows. What the challenger saves of the live version's
loss is the regret of that check; one standard error and a small share are subtracted from it, so that chance adds
nothing. The sum restarts at 0 where it would be negative (Page, Biometrika 41, 1954): small regrets that last count,
and a good past does not hide a bad present.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import takewhile

from perennial_operator.core.api.drift_report import DriftReport, Outcome
from perennial_operator.core.api.metric_table import REGRET
from perennial_operator.core.drift_reports import about_drift
from perennial_operator.core.world import World

ALLOWANCE = 0.02
"""So much of the loss may be saved in each check without a reason to train."""
NOT_COUNTED = frozenset({Outcome.DUPLICATE, Outcome.INVALID, Outcome.STALE, Outcome.BAD_DATA, Outcome.TOO_FEW_SAMPLES})


@dataclass(frozen=True, slots=True)
class Regret:
    """`total` is the sum of the last `checks` regrets, `newest` the regret of the newest of them."""

    total: float
    checks: int
    newest: float


def summed_regret(world: World, report: DriftReport, about: str) -> Regret | None:
    """The sum up to this report about a version; None if the report has no regret.

    Reports before one that has started a training, or would have in a dry run, do not count again.
    """
    newest = _regrets((each.name, each.value, each.standard_error) for each in report.spec.metrics)
    if not newest:
        return None
    total, checks = 0.0, 0
    for value, error in [*_earlier(world, report, about), *newest]:
        total = max(0.0, total + value - error - ALLOWANCE)
        checks = checks + 1 if total else 0
    return Regret(total, checks, newest[0][0])


def _earlier(world: World, report: DriftReport, about: str) -> list[tuple[float, float]]:
    """The regrets of the reports before this one, the oldest first."""
    regrets: list[tuple[float, float]] = []
    for each in takewhile(lambda each: each.name != report.name, about_drift(world.reports)):
        if each.about != about:
            continue
        if each.outcome in (Outcome.TRIGGERED, Outcome.WOULD_TRIGGER):
            regrets.clear()
        elif each.outcome and each.outcome not in NOT_COUNTED:
            regrets += _regrets((end.name, end.value, end.standard_error) for end in each.extremes)[:1]
    return regrets


def _regrets(metrics: Iterable[tuple[str, float, float | None]]) -> list[tuple[float, float]]:
    return [(value, error or 0.0) for name, value, error in metrics if name == REGRET]
