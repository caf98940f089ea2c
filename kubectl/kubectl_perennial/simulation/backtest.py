"""A backtest: what each of several policies would have done on one history, beside never and always retraining.

    manifest = read_manifest("model.yaml")
    plan = Plan(every=240, first=8)
    backtest = run_backtest([manifest], read_history(["rides/*.parquet"], columns_of(manifest.spec)), plan)
    backtest.results[0].recovery, backtest.results[0].played.trainings, backtest.as_dict()

`play` in the module `loop` is the part that plays one policy, without the comparison.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from pathlib import Path

import numpy as np

from kubectl_perennial.simulation.history import DAY, START, History, Timeline, cut
from kubectl_perennial.simulation.loop import play
from kubectl_perennial.simulation.manifest import Manifest
from kubectl_perennial.simulation.played import Floats, Played, weighted
from kubectl_perennial.simulation.reference import Reference, reference_of
from perennial_operator.core.api.values import first_fire_after

Progress = Callable[[str, str], None]
WORSE = 1.05
"""A batch is worse than it need be if its loss is so many times that of always-retraining, by the mean of three."""
SMOOTH = 3


@dataclass(frozen=True)
class Plan:
    """How the history is played."""

    every: int | timedelta
    first: int | None = None
    """Batches before the first version; default an eighth of them, and at least data.minRows rows."""
    labels_late: int | timedelta = 0
    seed: int = 0
    shuffled: bool = True
    """Whether the alarms on the same rows in a random order are counted, too."""
    folder: Path = field(default_factory=lambda: cache_folder())
    """Where results are kept from one run to the next."""


def cache_folder() -> Path:
    """The user's cache."""
    home = os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()
    return Path(home) / "perennial" / "backtest"


@dataclass(frozen=True, eq=False)
class Result:
    """One policy beside the reference."""

    played: Played
    reference: Reference
    shuffled: Played | None
    """The same policy on the same rows in a random order."""

    @cached_property
    def recovery(self) -> float | None:
        """The share of what always-retraining wins over never retraining; None if that is nothing."""
        gain = self.first_loss - self.always_loss
        return (self.first_loss - self.played.loss) / gain if gain > 0 else None

    @property
    def first_loss(self) -> float:
        """Of never retraining."""
        return weighted(self.reference.first, self._rows)

    @property
    def always_loss(self) -> float:
        return weighted(self.reference.always, self._rows)

    @property
    def _rows(self) -> Floats:
        """Of the batches in which a version was live."""
        return np.where(np.isfinite(self.played.losses), self.reference.rows, 0.0)

    @cached_property
    def delays(self) -> tuple[int | None, ...]:
        """For each stretch of batches in which a refit was due, the batches until an alarm; None without one."""
        worse = self._is_worse()
        alarms = {event.batch for event in self.played.alarms}
        offset = self.played.first
        delays: list[int | None] = []
        begin: int | None = None
        for place, is_worse in enumerate([*worse, False]):
            if is_worse and begin is None:
                begin = place
            elif not is_worse and begin is not None:
                hits = [each - begin for each in range(begin, place + 1) if each + offset in alarms]
                delays.append(hits[0] if hits else None)
                begin = None
        return tuple(delays)

    def _is_worse(self) -> list[bool]:
        """Of each batch, by the mean over it and those before."""
        live, always = (_running_means(losses) for losses in (self.played.losses, self.reference.always))
        return [bool(is_worse) for is_worse in live > always * WORSE]


def _running_means(losses: Floats) -> Floats:
    """The mean over each batch and those before it, without those that have no loss."""
    with np.errstate(invalid="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return np.asarray([np.nanmean(losses[max(0, n - SMOOTH + 1) : n + 1]) for n in range(len(losses))])


@dataclass(frozen=True, eq=False)
class Backtest:
    """The results of all policies on one history."""

    timeline: Timeline
    plan: Plan
    first: int
    results: tuple[Result, ...]


def run_backtest(
    manifests: Sequence[Manifest], history: History, plan: Plan, progress: Progress = lambda _title, _detail: None
) -> Backtest:
    """All manifests on the history. CommandError if it has too few rows for two batches."""
    timeline = cut(history, plan.every, plan.labels_late, batch_lasts(manifests[0]))
    first = plan.first or first_batches(manifests[0], timeline)
    shuffled = timeline.of(history.shuffled(plan.seed)) if plan.shuffled else None
    results = []
    for manifest in manifests:
        title = manifest.title

        def tell(detail: str, title: str = title) -> None:
            progress(title, detail)

        result = play(manifest, timeline, first, plan.folder, tell)
        reference = reference_of(manifest, timeline, first, plan.folder, tell)
        by_chance = play(manifest, shuffled, first, plan.folder, tell) if shuffled else None
        results.append(Result(result, reference, by_chance))
    return Backtest(timeline, plan, first, tuple(results))


def first_batches(manifest: Manifest, timeline: Timeline) -> int:
    """An eighth of the batches, and so many that their labelled rows are enough for a training."""
    least = (manifest.spec["data"].get("minRows") or 200) * 1.25
    count = max(1, len(timeline.batches) // 8)
    while count < len(timeline.batches) - 1 and timeline.labelled(count - 1) < least:
        count += 1
    return count


def batch_lasts(manifest: Manifest) -> timedelta:
    """Of a history without times: the interval of the checks, or a day if that is longer."""
    check = (manifest.spec.get("drift") or {}).get("check")
    if not check:
        return DAY
    fire = first_fire_after(check["schedule"], START)
    return max(DAY, first_fire_after(check["schedule"], fire) - fire)
