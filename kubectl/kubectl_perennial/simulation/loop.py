"""Plays one manifest over one history: the operator's core and the trainer, batch by batch, in virtual time.

    timeline = cut(read_history(["rides/*.parquet"], columns_of(manifest.spec)), every=240)
    played = play(manifest, timeline, first=8, folder=Path("~/.cache/…"))
    played.losses          # of each batch after the first 8: mean squared error, or share of wrong classes
    played.events          # what happened, and why

At the end of each batch its rows are known, and their labels as far as they are not late. Then the core decides: drift
checks that are due run, candidates are trained, validated and rolled out. Until the end of the next batch only the
roll-out, the cool-down and schedules of trainings act. Each row is predicted by the version that is live at its time.
Results of tasks are kept in `folder`, so that a second run, or another policy on the same rows, is fast.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from kubectl_perennial.errors import CommandError
from kubectl_perennial.simulation.cluster import Cluster
from kubectl_perennial.simulation.history import Timeline, microseconds
from kubectl_perennial.simulation.manifest import Manifest, playable
from kubectl_perennial.simulation.played import CHECK, VERSION, Event, Floats, Played, Span
from kubectl_perennial.simulation.scores import NAMES, means, row_losses, sums_and_counts
from kubectl_perennial.simulation.tasks import Tasks
from perennial_operator.core.actions import Action, Create, SetStatus
from perennial_operator.core.api.artifacts import Artifact
from perennial_operator.core.rules.phases import FILES_UNCHANGED, NO_NEW_ROWS

Progress = Callable[[str], None]


@dataclass(frozen=True)
class _Live:
    """From `since` on the version served this model."""

    since: datetime
    version: str
    artifact: Artifact


@dataclass(kw_only=True)
class _Play(Cluster):
    """A cluster whose actions are noted; `number` is the newest batch that is known."""

    number: int = 0
    events: list[Event] = field(default_factory=list)
    records: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    served: list[_Live] = field(default_factory=list)

    def act(self, action: Action) -> None:
        event = self._event(action)
        super().act(action)
        if event:
            self.events.append(event)
        if isinstance(action, SetStatus) and action.kind == "ModelVersion":
            self.records[action.name] = action.status

    def _event(self, action: Action) -> Event | None:
        if isinstance(action, Create) and action.manifest["kind"] == "ModelVersion":
            name, trigger = action.manifest["metadata"]["name"], action.manifest["spec"]["trigger"]
            reason, message = trigger["reason"], trigger.get("message", "")
            return Event(self.now, self.number, VERSION, name, "Training", reason, message)
        if not isinstance(action, SetStatus) or action.kind == "ModelDeployment":
            return None
        kind, name = (CHECK, "outcome") if action.kind == "DriftReport" else (VERSION, "phase")
        before, state = self.bodies[action.kind, action.name]["status"].get(name), action.status.get(name)
        reason, message = (str(action.status.get(each) or "") for each in ("reason", "message"))
        changed = state != (before or "Training") or (kind == CHECK and before is None)
        return Event(self.now, self.number, kind, action.name, str(state), reason, message) if changed else None

    def until(self, end: datetime) -> None:
        """The batch is known, and time passes until the next one is: until then no check has new rows."""
        self.checking = True
        self.settle()
        self.checking = False
        wake = self._settled()
        while wake and wake < end:
            self.now = wake
            wake = self._settled()

    def _settled(self) -> datetime | None:
        wake = self.settle()
        live = self.world().live
        if live and live.status.artifact and (not self.served or self.served[-1].version != live.name):
            self.served.append(_Live(self.now, live.name, live.status.artifact))
        return wake


def play(
    manifest: Manifest, timeline: Timeline, first: int, folder: Path, progress: Progress = lambda _: None
) -> Played:
    """What the manifest would have done; `first` batches are known when the first version is trained."""
    batches = timeline.batches
    if not 0 < first < len(batches):
        raise CommandError(f"--first {first}: there are {len(batches)} batches; give 1 to {len(batches) - 1}")
    body, unknown = playable(manifest)
    tasks = Tasks(timeline, folder)
    cluster = _Play(now=batches[first - 1].end, name=manifest.name, run=tasks.run)
    cluster.put(body, uid="backtest")
    for number in range(first - 1, len(batches) - 1):
        tasks.number = cluster.number = number
        cluster.now = max(cluster.now, batches[number].end)
        cluster.until(batches[number + 1].end)
        progress(f"batch {number + 1} of {len(batches)}")
    if not cluster.served:
        raise CommandError(f"{manifest.title}: no version went live; {_last_ending(cluster.events)}")
    losses, kept, rows = _scored(timeline, first, tasks, cluster.served)
    return Played(
        title=manifest.title,
        metric=NAMES[timeline.history.columns.kind],
        first=first,
        losses=losses,
        kept=kept,
        rows=rows,
        spans=_spans(cluster.served),
        events=tuple(cluster.events),
        records=cluster.records,
        cpu=tasks.cpu,
        runs=tasks.runs,
        unknown=tuple(unknown),
    )


def _last_ending(events: Sequence[Event]) -> str:
    """Why the newest version that read rows is not live."""
    ends = [each for each in events if each.kind == VERSION and each.state != "Training"]
    ends = [each for each in ends if each.reason not in (FILES_UNCHANGED, NO_NEW_ROWS)]
    return (
        f"{ends[-1].name} is {ends[-1].state} ({ends[-1].reason}): {ends[-1].message}" if ends else "none was trained"
    )


def _spans(served: Sequence[_Live]) -> tuple[Span, ...]:
    ends = [*(each.since for each in served[1:]), None]
    return tuple(Span(each.version, each.since, end) for each, end in zip(served, ends, strict=False))


def _scored(timeline: Timeline, first: int, tasks: Tasks, served: Sequence[_Live]) -> tuple[Floats, Floats, Floats]:
    """The mean losses of each batch under the live version and under the first one, and how many rows have a loss."""
    batches, history = timeline.batches[first:], timeline.history
    begin, stop = batches[0].begin, batches[-1].stop
    losses, kept = np.full(stop - begin, np.nan), np.full(stop - begin, np.nan)
    starts = [
        begin + int(timeline.times[begin:stop].searchsorted(microseconds(each.since), "right")) for each in served
    ]
    for place, each in enumerate(served):
        model = tasks.model(each.artifact)
        end = starts[place + 1] if place + 1 < len(served) else stop
        losses[starts[place] - begin : end - begin] = row_losses(model, history.rows.take(slice(starts[place], end)))
        if place == 0:
            kept[starts[0] - begin :] = row_losses(model, history.rows.take(slice(starts[0], stop)))
    sums, rows = sums_and_counts(losses, batches, begin)
    return means(sums, rows), means(*sums_and_counts(kept, batches, begin)), rows
