"""Which rows each task reads: those known at the end of a batch, in files that are written once.

A training reads the rows whose labels are known. A check reads the rows of its window, without the labels that are not
known yet, and the training rows before them: where labels come late, as many as are scored in place of the window's,
and before these those of its challenger. Older rows change no result, so they are left out.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet

from kubectl_perennial.simulation.history import Timeline
from kubectl_perennial.simulation.manifest import RECENT, TRAINING
from perennial_operator.core.api.values import as_delta

IN_WINDOW = frozenset(
    {"task", "namespace", "modelDeployment", "version", "model", "live", "data", "storage", "thresholds", "now"}
    | {"predictions", "owner", "challenger"}
)
"""Fields of a check that reads no other rows; with another field it gets all of them."""


@dataclass(frozen=True)
class KnownRows:
    """The rows from `begin` to before `stop`; those from `labelled` on have no target yet."""

    timeline: Timeline
    begin: int
    stop: int
    labelled: int

    def file(self, folder: Path) -> Path:
        """Where the rows are; `write_to` makes the file."""
        name = f"{self.timeline.history.digest[:32]}-{self.begin}-{self.stop}-{min(self.labelled, self.stop)}.parquet"
        return folder / "rows" / name

    def write_to(self, folder: Path) -> None:
        file = self.file(folder)
        if not file.exists():
            write(file, lambda temporary: pyarrow.parquet.write_table(self._table(), temporary))

    def _table(self) -> Any:
        history, known = self.timeline.history, max(0, min(self.labelled, self.stop) - self.begin)
        rows = history.table.slice(self.begin, self.stop - self.begin)
        if known >= len(rows):
            return rows
        place = rows.column_names.index(history.columns.target)
        labels = rows[history.columns.target].combine_chunks()
        values = pa.concat_arrays([labels.slice(0, known), pa.nulls(len(labels) - known, labels.type)])
        return rows.set_column(place, history.columns.target, values)


def rows_of_task(task: Mapping[str, Any], timeline: Timeline, number: int) -> dict[str, KnownRows]:
    """The rows at each address that the task names, as they are known at the end of the batch."""
    labelled, stop = timeline.labelled(number), timeline.batches[number].stop
    if task["task"] == "train":
        return {TRAINING: KnownRows(timeline, 0, labelled, labelled)}
    if task["task"] != "check":
        return {}
    begin = _begin(task["data"]["window"], timeline, stop) if task.keys() <= IN_WINDOW else 0
    rows = {RECENT: KnownRows(timeline, begin, stop, labelled)}
    if challenger := task.get("challenger"):
        first = int(timeline.times.searchsorted(timeline.times[begin], side="left"))
        scored = min(first, labelled - (stop - begin)) if labelled < stop else first
        begin = max(0, scored - challenger["checks"] * (stop - begin)) if task.keys() <= IN_WINDOW else 0
        rows[TRAINING] = KnownRows(timeline, min(begin, labelled), labelled, labelled)
    return rows


def _begin(window: int | str, timeline: Timeline, stop: int) -> int:
    """The first row that may be in the window of a check."""
    if isinstance(window, int):
        return max(0, stop - window)
    if window == "all" or not stop:
        return 0
    since = int(timeline.times[stop - 1]) - round(as_delta(window).total_seconds() * 1e6)
    return max(0, int(timeline.times.searchsorted(since, side="left")) - 1)


def write(path: Path, content: Callable[[Path], object]) -> None:
    """The file is complete or does not exist, also if two processes write it at once."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.{os.getpid()}.part")
    content(temporary)
    temporary.replace(path)
