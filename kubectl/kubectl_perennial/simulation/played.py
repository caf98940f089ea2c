"""What one policy would have done on one history."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from perennial_operator.core.api.drift_report import BREACHED, Outcome
from perennial_operator.core.rules.phases import FILES_UNCHANGED, NO_NEW_ROWS

Floats = NDArray[np.float64]
CHECK, VERSION = "Check", "Version"
REWEIGHING = "Reweighing"
"""Why a version has other weights and no new fit."""


@dataclass(frozen=True)
class Event:
    """A check has an outcome, or a version another phase; `batch` is the newest one that was known."""

    at: datetime
    batch: int
    kind: str
    name: str
    """Of the DriftReport or of the ModelVersion."""
    state: str
    """Outcome of the report, or phase of the version."""
    reason: str
    """Why the version is in this phase; of a new one, what triggered its training."""
    message: str


@dataclass(frozen=True)
class Span:
    """A version was live; `until` is None if it is at the end."""

    version: str
    since: datetime
    until: datetime | None


@dataclass(frozen=True, eq=False)
class Played:
    """Arrays have an entry for each batch after the first ones."""

    title: str
    metric: str
    first: int
    """Batches before the first version."""
    losses: Floats
    """Mean loss of each batch; NaN where no version was live or no row has a target."""
    kept: Floats
    """Mean loss of each batch under the first version that was live, had it been kept to the end."""
    rows: Floats
    """Rows with a loss, by batch."""
    spans: tuple[Span, ...]
    events: tuple[Event, ...]
    records: Mapping[str, Mapping[str, Any]]
    """ModelVersion → its last status, also of one that was deleted from the history."""
    cpu: Mapping[str, float]
    """Kind of task → CPU seconds."""
    runs: Mapping[str, int]
    """Kind of task → how many were run."""
    unknown: tuple[str, ...] = ()
    """What a backtest of this manifest cannot know."""

    @cached_property
    def loss(self) -> float:
        return weighted(self.losses, self.rows)

    @property
    def trainings(self) -> int:
        """After that of the first version that was live; without those that fitted nothing."""
        return sum(self._has_fits(event) for event in self._begun)

    @property
    def reweighings(self) -> int:
        """Versions for which no model was fitted, but the weights of a blend."""
        return sum(not self._has_fits(event) for event in self._begun)

    def _has_fits(self, begun: Event) -> bool:
        """What its training has done, or as long as that is not known, what it was to do."""
        blend = self.records.get(begun.name, {}).get("blend")
        return blend["fits"] > 0 if blend else begun.reason != REWEIGHING

    @property
    def _begun(self) -> list[Event]:
        """The versions after the first one that was live, without those that found no new rows."""
        first = self.spans[0].version if self.spans else None
        versions = [event for event in self.events if event.kind == VERSION]
        unread = {event.name for event in versions if event.reason in (FILES_UNCHANGED, NO_NEW_ROWS)}
        began = [event for event in versions if event.state == "Training" and event.name not in unread]
        names = [event.name for event in began]
        return began[names.index(first) + 1 :] if first in names else began

    @property
    def promotions(self) -> int:
        """After the first version."""
        return max(0, len(self.spans) - 1)

    @property
    def rejections(self) -> int:
        ended = {event.name for event in self.events if event.kind == VERSION and event.state in REJECTED}
        return len(ended)

    @cached_property
    def alarms(self) -> tuple[Event, ...]:
        """The first such outcome of each report that is beyond a threshold."""
        first: dict[str, Event] = {}
        for event in self.events:
            if event.kind == CHECK and event.state in BREACHED:
                first.setdefault(event.name, event)
        return tuple(first.values())

    @property
    def stalled_at(self) -> int | None:
        """The batch since which no candidate would start until a person acts; None if that is not the end of it."""
        since: int | None = None
        for event in self.events:
            if event.state == Outcome.STALLED:
                since = event.batch if since is None else since
            elif event.kind == VERSION and event.state == "Training":
                since = None
        return since


REJECTED = ("Rejected", "RolledBack", "Failed")


def weighted(losses: Floats, rows: Floats) -> float:
    """The mean over all rows of the batches that have a loss; NaN if none has."""
    known = np.isfinite(losses) & (rows > 0)
    return float((losses[known] * rows[known]).sum() / rows[known].sum()) if known.any() else float("nan")
