"""What a policy is compared with: the model of the manifest fitted at given times, whatever a policy decides.

A model is fitted to all known rows, and another one to the newest five batches, at the end of each batch (of every
n-th one if there are more than 120). `always` is the better of the two that are fitted again each time. `first` is
kept from the start to the end; as a version that is proven on a holdout, it is fitted without the newest fifth of its
rows. The hindsight bound is the least loss of any schedule of refits, chosen when all losses are known: a dynamic
program over the time of the last refit and the rows that it used.
"""

from __future__ import annotations

import hashlib
import io
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from sklearn.pipeline import Pipeline

from kubectl_perennial.errors import CommandError
from kubectl_perennial.simulation.history import Timeline
from kubectl_perennial.simulation.known_rows import write
from kubectl_perennial.simulation.manifest import Manifest
from kubectl_perennial.simulation.played import Floats, weighted
from kubectl_perennial.simulation.scores import row_losses, sums_and_counts
from kubectl_perennial.simulation.tasks import quiet, trainer_digest
from perennial_operator.core.api.data import Cleaning as CleaningSpec
from perennial_operator.core.api.model import ModelSpec
from perennial_trainer.contract.data import Cleaning
from perennial_trainer.contract.errors import RejectedTask, TaskError
from perennial_trainer.contract.task import Model
from perennial_trainer.data.cleaning import incomplete_mask, without_outliers
from perennial_trainer.data.rows import Rows
from perennial_trainer.models.estimators import build_estimator
from perennial_trainer.models.pipeline import build_pipeline, fit

NEWEST = 5
"""Batches of the short window."""
VERSION = 3
"""Of what is kept."""
MOST_FITS = 120
HELD_OUT = 0.2
WINDOWS = 2
PACKAGES = ("models", "data", "metrics", "contract")
"""Of the trainer, on which these fits depend."""


@dataclass(frozen=True, eq=False)
class Reference:
    """Losses of refits. The first axis of `sums` is the window (all rows, newest five batches), the second the fit.

    `fits` is the number of the batch, after the first ones, before which each fit was made; `sums` has the sum of the
    losses of each batch, NaN before the fit; `rows` how many rows of the batch have a loss.
    """

    fits: tuple[int, ...]
    sums: Floats
    rows: Floats
    first_sums: Floats
    cpu: Floats
    """CPU seconds of each fit, by window."""

    @cached_property
    def first(self) -> Floats:
        """Mean losses under the model that is kept."""
        return self._means(self.first_sums)

    @cached_property
    def always(self) -> Floats:
        """Mean losses under always-retraining, with the better of the two windows."""
        return min(self._always(), key=lambda losses: weighted(losses, self.rows))

    @property
    def always_window(self) -> str:
        best = [weighted(losses, self.rows) for losses in self._always()]
        return "all rows" if best[0] <= best[1] else f"newest {NEWEST} batches"

    @property
    def always_cpu(self) -> float:
        return float(self.cpu[0 if self.always_window == "all rows" else 1].sum())

    def _always(self) -> list[Floats]:
        newest = np.searchsorted(self.fits, np.arange(len(self.rows)), side="right") - 1
        return [self._means(sums[newest, np.arange(len(self.rows))]) for sums in self.sums]

    def _means(self, sums: Floats) -> Floats:
        counted = self.rows > 0
        losses: Floats = np.divide(sums, self.rows, out=np.full(len(sums), np.nan), where=counted)
        return losses

    def hindsight(self, refits: int | None = None) -> float:
        """The least mean loss of any schedule with at most so many refits after the start."""
        most = len(self.fits) - 1
        curve = self._least_sums[: 1 + (most if refits is None else min(refits, most))]
        return float(curve.min() / self.rows.sum())

    @cached_property
    def _least_sums(self) -> Floats:
        """By the number of refits, the least sum of losses. `least[k]` is that of all batches before fit k."""
        windows, count, _ = self.sums.shape
        totals = np.concatenate([np.zeros((windows, count, 1)), np.cumsum(np.nan_to_num(self.sums), axis=2)], axis=2)
        edges = [*self.fits, len(self.rows)]
        # cost[k, m]: the batches from fit k to before fit m (or the end) under the better model fitted at k
        cost = np.full((count, count + 1), np.inf)
        for start in range(count):
            for end in range(start + 1, count + 1):
                spans = totals[:, start, edges[end]] - totals[:, start, edges[start]]
                cost[start, end] = spans[0] if start == 0 else spans.min()
        least, sums = cost[0].copy(), [cost[0, count]]
        for _ in range(1, count):
            least = np.min(least[:count, None] + cost, axis=0)
            sums.append(least[count])
        return np.asarray(sums)


def reference_of(
    manifest: Manifest, timeline: Timeline, first: int, folder: Path, progress: Callable[[str], None] = lambda _: None
) -> Reference:
    """The losses of refits, computed once for these rows and this model, and then kept in the folder."""
    spec, cleaning = _model(manifest), _cleaning(manifest)
    what = (spec, cleaning, timeline.history.digest, timeline.batches, timeline.labels_late, first, MOST_FITS, NEWEST)
    digest = hashlib.sha256(f"{trainer_digest(*PACKAGES)}{VERSION}{what!r}".encode()).hexdigest()[:40]
    file = folder / "references" / f"{digest}.npz"
    if not file.exists():
        content = io.BytesIO()
        reference = refits_of(manifest, timeline, first).all(progress)
        arrays = {name: getattr(reference, name) for name in ("sums", "rows", "first_sums", "cpu")}
        np.savez(content, fits=reference.fits, **arrays)
        write(file, lambda temporary: temporary.write_bytes(content.getvalue()))
    with np.load(file) as kept:
        fits = tuple(map(int, kept["fits"]))
        return Reference(fits, kept["sums"], kept["rows"], kept["first_sums"], kept["cpu"])


def refits_of(manifest: Manifest, timeline: Timeline, first: int) -> Refits:
    """What fits the model of the manifest to the rows known at a given time."""
    model, cleaning = msgspec.convert(_model(manifest), Model), msgspec.convert(_cleaning(manifest), Cleaning)
    return Refits(model, cleaning, timeline, first)


def _model(manifest: Manifest) -> Any:
    return ModelSpec.model_validate(manifest.spec["model"]).to_api()


def _cleaning(manifest: Manifest) -> Any:
    return CleaningSpec.model_validate(manifest.spec["data"].get("cleaning") or {}).to_api()


@dataclass
class Refits:
    """Fits the model of a manifest; batches are counted after the first ones."""

    model: Model
    cleaning: Cleaning
    timeline: Timeline
    first: int
    cpu: float = 0.0
    """CPU seconds of all fits: without reading, cleaning and scoring rows."""

    def all(self, progress: Callable[[str], None]) -> Reference:
        batches = self.timeline.batches[self.first :]
        fits = tuple(range(0, len(batches), -(-len(batches) // MOST_FITS)))
        sums, cpu = np.full((WINDOWS, len(fits), len(batches)), np.nan), np.zeros((WINDOWS, len(fits)))
        for place, number in enumerate(fits):
            for window in range(WINDOWS):
                before = self.cpu
                model = self.fit(*self.rows_before(number, window))
                cpu[window, place] = self.cpu - before
                if model:
                    sums[window, place, number:] = self._scored(model, number)[0]
                elif place:  # the rows cannot be fitted: the model before is kept
                    sums[window, place, number:] = sums[window, place - 1, number:]
            progress(f"refit {place + 1} of {len(fits)}")
        model = self.fit(*self.first_rows())
        if model is None or np.isnan(sums[0, 0]).any():
            raise CommandError("the first rows cannot be fitted: give a greater --first")
        first, rows = self._scored(model, 0)
        return Reference(fits, sums, rows, first, cpu)

    def _scored(self, model: Pipeline, number: int) -> tuple[Floats, Floats]:
        """The sum of the losses and the number of rows with one, of this batch and the later ones."""
        batches = self.timeline.batches[self.first + number :]
        later = self.timeline.history.rows.take(slice(batches[0].begin, batches[-1].stop))
        return sums_and_counts(row_losses(model, later), batches, batches[0].begin)

    def first_rows(self) -> tuple[int, int]:
        """Those of the model that is kept."""
        begin, stop = self.rows_before(0, 0)
        return begin, stop - round((stop - begin) * HELD_OUT)

    def rows_before(self, number: int, window: int) -> tuple[int, int]:
        """The rows known before the batch: all, or those of the newest five batches that are known."""
        last = self.first + number - 1
        stop = self.timeline.labelled(last)
        known = [batch for batch in self.timeline.batches[: last + 1] if batch.stop <= stop]
        return (known[-NEWEST].begin if window and len(known) >= NEWEST else 0), stop

    def fit(self, begin: int, stop: int) -> Pipeline | None:
        """The model fitted to these rows; None if they cannot be fitted."""
        with quiet():
            try:
                rows = self._cleaned(self._of_model(self.timeline.history.rows.take(slice(begin, stop))))
                pipeline = build_pipeline(build_estimator(self.model), self.model.features)
                began = time.process_time()
                fitted = fit(pipeline, rows)
            except RejectedTask:
                return None
            except TaskError as error:
                raise CommandError(f"{error.reason}: {error.message}") from error
        self.cpu += time.process_time() - began
        return fitted

    def _of_model(self, rows: Rows) -> Rows:
        """The rows with the features of the model: another policy on the same history may have others."""
        return replace(rows, features=rows.features[list(self.model.features.names)])

    def _cleaned(self, rows: Rows) -> Rows:
        rows = rows.take(rows.target.notna().to_numpy())
        if self.cleaning.missing == "drop":
            rows = rows.take(~incomplete_mask(rows))
        return without_outliers(rows, self.cleaning)[0]
