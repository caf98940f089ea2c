"""Joins captured rows with their labels, by the key of the request."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np

from perennial_trainer.contract.data import Captured
from perennial_trainer.contract.features.columns import Features
from perennial_trainer.data.conversion import to_frame
from perennial_trainer.data.files.readers import DataFiles
from perennial_trainer.data.notes import Notes
from perennial_trainer.data.schema import Columns
from perennial_trainer.data.tables.captured.files import CapturedFiles
from perennial_trainer.data.tables.captured.index import NO_PLACE, Index, read_index, units_of
from perennial_trainer.data.tables.captured.labels import NewestLabels, key_hashes, label_columns
from perennial_trainer.data.tables.captured.rows import Joined
from perennial_trainer.data.tables.table import Table

if TYPE_CHECKING:
    import pandas as pd

log = logging.getLogger(__name__)

Plain = DataFiles | Table
SLACK_HOURS = 24
"""A label is written after the request; clocks differ, and some times are only days."""


@dataclass(frozen=True)
class Join:
    """`open_labels` opens those that were written after a time, or all; None before there is a file."""

    captured: Captured
    columns: Columns
    now: datetime | None
    notes: Notes
    open_labels: "Callable[[Columns, pd.Timestamp | None], Plain | None]"

    def __call__(self, files: CapturedFiles, before: Plain | None) -> Joined:
        """The rows of the files that count, without those that `before` has, and their newest labels."""
        index = read_index(files, self.captured.version)
        if before is not None and self.captured.labels is not None:
            index = self._without_known(index, before, self.captured.labels.key)
        log.info("%s of %s captured rows count", len(index.units), sum(map(len, index.places.values())))
        return Joined(index, self._labels(index))

    def _labels(self, index: Index) -> NewestLabels | None:
        labels = self.captured.labels
        if labels is None:
            return None
        columns = label_columns(labels, self.columns.target, self.columns.kind, self.columns.csv)
        newest = NewestLabels(labels, columns, index, key_hashes(self.captured))
        since = index.oldest if columns.time and len(index.units) else None
        source = self.open_labels(columns, since and _earlier(since, f"{SLACK_HOURS}h")) if len(index.units) else None
        if source is not None:
            try:
                for name in source.names:
                    for table in source.tables(name):
                        newest.add(table, self.now, self.notes)
            finally:
                source.close()
        import pandas as pd

        now = pd.Timestamp(self.now or datetime.now(UTC))
        newest.forget_younger(_earlier(now, labels.mature).as_unit("us").asm8.astype(np.int64).item())
        return newest

    def _without_known(self, index: Index, before: Plain, key: str) -> Index:
        """The index without the first row of each key that the rows of before have, where they have the column."""
        hashes, known = key_hashes(self.captured), np.zeros(len(index.units), dtype=bool)
        only = Columns(Features(numeric=(), categorical=()), key, "classification", None, csv=self.columns.csv)
        keyed = before.with_columns(only)
        for name in before.names:
            present = before.column_names(name) if isinstance(before, DataFiles) else before.backend.column_names
            for table in keyed.tables(name) if key in present else ():
                keys = to_frame(table, only)[key].dropna().to_numpy(dtype=object)
                places = index.find(units_of(hashes(keys), np.zeros(len(keys))))
                known[places[places != NO_PLACE]] = True
        if not known.any():
            return index
        self.notes.also_before = int(known.sum())
        left = np.append(~known, False)  # NO_PLACE takes the last
        kept = {name: np.where(left[each], each, NO_PLACE) for name, each in index.places.items()}
        return replace(index, places=kept)


def _earlier(time: "pd.Timestamp", than: str) -> "pd.Timestamp":
    from perennial_trainer.data.window import window_duration

    return time - window_duration(than)
