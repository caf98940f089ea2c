"""Simple policies beside Perennial, for `bench_effect`: when each refits the model, and what that costs.

Each of them refits at once, without a gate, to all known rows or to the newest five batches: the better of the two, as
always-retraining does.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from kubectl_perennial.simulation.history import Batch, Timeline
from kubectl_perennial.simulation.played import Floats, weighted
from kubectl_perennial.simulation.reference import WINDOWS, Reference, Refits
from kubectl_perennial.simulation.scores import row_losses

FIFTH = 5
PSI_LIMIT = 0.2
BINS = 10
LEAST_SHARE = 1e-4
SCRIPT = Path(__file__).with_name("adwin.py")


@dataclass(frozen=True)
class History:
    """What the policies see; batches are counted after the first ones."""

    timeline: Timeline
    reference: Reference
    refits: Refits

    @property
    def batches(self) -> Sequence[Batch]:
        return self.timeline.batches[self.refits.first :]

    def losses(self, times: Iterable[int], window: int) -> Floats:
        """Of each batch, if the model is refitted before these batches."""
        sums = self.reference.first_sums.copy()
        for time in times:
            place = int(np.searchsorted(self.reference.fits, time, side="right")) - 1
            sums[time:] = self.reference.sums[window, place, time:]
        rows = self.reference.rows
        losses: Floats = np.divide(sums, rows, out=np.full(len(sums), np.nan), where=rows > 0)
        return losses


Policy = Callable[[History, int], list[int]]
"""The batches before which the model is refitted, to the rows of the window."""


def best(policy: Policy, history: History) -> tuple[float, int]:
    """The loss and the trainings of the policy with the better of the two windows."""
    results = []
    for window in range(WINDOWS):
        times = policy(history, window)
        results.append((weighted(history.losses(times, window), history.reference.rows), len(times)))
    return min(results)


def every_fifth(history: History, _window: int) -> list[int]:
    return list(range(FIFTH, len(history.batches), FIFTH))


def above_psi(history: History, window: int) -> list[int]:
    """After each batch in which a feature's PSI to the rows of the live model's fit is above 0.2."""
    features, times = history.timeline.history.rows.features, []
    numeric = history.timeline.history.columns.features.numeric
    live = features.iloc[slice(*history.refits.first_rows())]
    for number, batch in enumerate(history.batches[:-1], start=1):
        recent = features.iloc[batch.begin : batch.stop]
        if any(psi(live[name], recent[name], name in numeric) > PSI_LIMIT for name in features):
            times.append(number)
            live = features.iloc[slice(*history.refits.rows_before(number, window))]
    return times


def psi(before: pd.Series[Any], after: pd.Series[Any], is_numeric: bool) -> float:
    """The population stability index, with ten bins of equally many rows for numbers."""
    if is_numeric:
        edges = np.unique(np.nanquantile(before, np.linspace(0, 1, BINS + 1)[1:-1]))
        before, after = (pd.Series(np.searchsorted(edges, each.dropna())) for each in (before, after))
    values = sorted({*before.dropna(), *after.dropna()})
    counts = [each.value_counts().reindex(values, fill_value=0).to_numpy() for each in (before, after)]
    old, new = (np.maximum(each / max(1, each.sum()), LEAST_SHARE) for each in counts)
    return float(((new - old) * np.log(new / old)).sum())


class Adwin:
    """ADWIN with river's defaults, in a process of the environment that has river."""

    def __init__(self, python: str) -> None:
        self._process = subprocess.Popen(
            [python, str(SCRIPT)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.version = self._line()

    def __enter__(self) -> Adwin:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()

    def __call__(self, history: History, window: int) -> list[int]:
        """After each batch in whose losses ADWIN detects a change."""
        rows, times, scale = history.timeline.history.rows, [], None
        model = history.refits.fit(*history.refits.first_rows())
        self._is_drift(None)
        for number, batch in enumerate(history.batches[:-1], start=1):
            assert model is not None
            losses = row_losses(model, rows.take(slice(batch.begin, batch.stop)))
            losses = losses[np.isfinite(losses)]
            if scale is None:  # ADWIN takes values from 0 to 1
                scale = float(np.quantile(losses, 0.95)) if rows.columns.kind == "regression" else 1.0
            if self._is_drift(np.minimum(losses / scale, 1.0).tolist()):
                times.append(number)
                model = history.refits.fit(*history.refits.rows_before(number, window)) or model
        return times

    def _is_drift(self, losses: list[float] | None) -> bool:
        assert self._process.stdin
        print(json.dumps(losses), file=self._process.stdin, flush=True)
        return bool(json.loads(self._line()))

    def _line(self) -> str:
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"{SCRIPT.name} ended with {self._process.wait()}")
        return line.strip()
