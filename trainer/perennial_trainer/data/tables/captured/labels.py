"""What became of captured rows: the newest label of each, in memory that the captured rows bound."""

import os
import re
from collections.abc import Callable
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from perennial_trainer.captured.keys import SECRET, captured_key
from perennial_trainer.contract.data import Captured, CsvFormat, Labels
from perennial_trainer.contract.errors import RejectedTask
from perennial_trainer.contract.features.columns import Features
from perennial_trainer.contract.task import Kind
from perennial_trainer.data.conversion import readable_target, to_frame, to_numbers
from perennial_trainer.data.future import in_future
from perennial_trainer.data.notes import Notes
from perennial_trainer.data.schema import Columns
from perennial_trainer.data.tables.captured.index import NO_PLACE, Index, Places, Units, hash_keys, units_of
from perennial_trainer.data.values.times import readable_times

_WITH_ROW = re.compile(r"(.+)#([0-9]{1,9})", re.DOTALL)
_OLDEST = np.iinfo(np.int64).min


def label_columns(labels: Labels, target: str, kind: Kind, csv: CsvFormat) -> Columns:
    """The columns of the labels; the key and the row are read as text."""
    keep = (labels.key, labels.row) if labels.row else (labels.key,)
    nothing = Features(numeric=(), categorical=())
    return Columns(nothing, target, kind, labels.time_column, keep=keep, time_format=labels.time_format, csv=csv)


def key_hashes(captured: Captured) -> Callable[[Any], Units]:
    """What makes of keys in clear the hashes of the stored ones. Raises a RejectedTask, CaptureKeyMissing."""
    if captured.key_in_clear:
        return hash_keys
    secret = os.environ.get(SECRET, "").encode()
    if not secret:
        raise RejectedTask(
            "CaptureKeyMissing",
            f"the environment has no {SECRET}, by which labels find captured rows: put it into the Secret that "
            "serving.capture.secretRef names, or set serving.capture.keyInClear",
        )
    return lambda keys: hash_keys([captured_key(secret, key) for key in keys])


class NewestLabels:
    """The newest label of each row of the index, of those that were added."""

    def __init__(self, labels: Labels, columns: Columns, index: Index, hashes: Callable[[Any], Units]) -> None:
        self._labels, self._columns, self._index, self._hashes = labels, columns, index, hashes
        self._written = np.full(len(index.units), _OLDEST, dtype=np.int64)
        self._numbers = np.full(len(index.units), np.nan)
        self._classes: dict[str, int] = {}

    def add(self, table: Any, now: datetime | None, notes: Notes) -> None:
        """Adds a batch of labels; one that is missing, of the future or cannot be read does not count."""
        name, frame = self._columns.target, to_frame(table, self._columns)
        target, unreadable = readable_target(name, frame[name], self._columns.kind)
        if unreadable is not None:
            notes.add_unusable(f"{name} of labels", unreadable.count)
        keys, written = frame[self._labels.key], np.zeros(len(frame), dtype=np.int64)
        usable = target.notna().to_numpy() & keys.notna().to_numpy()
        if self._columns.time is not None:
            times, _ = readable_times(self._columns.time, frame[self._columns.time], self._columns.time_format)
            usable &= times.notna().to_numpy() & ~in_future(times, now)
            written = times.dt.tz_localize(None).to_numpy(dtype="datetime64[us]").view(np.int64)
        rows = frame[self._labels.row] if self._labels.row else None
        places = np.full(len(frame), NO_PLACE, dtype=np.int32)
        places[usable] = self._places(keys[usable].to_numpy(dtype=object), None if rows is None else rows[usable])
        self._keep(places, written, target)

    def _places(self, keys: NDArray[Any], rows: Any) -> Places:
        if rows is not None:
            numbers, _ = to_numbers(rows)
            return self._index.find(units_of(self._hashes(keys), np.nan_to_num(numbers, nan=2**31 - 1)))
        places = self._index.find(units_of(self._hashes(keys), np.zeros(len(keys))))
        rest = np.flatnonzero(places == NO_PLACE)
        parts = [(place, match) for place in rest if (match := _WITH_ROW.fullmatch(keys[place]))]
        if parts:
            numbers = np.asarray([int(match[2]) for _, match in parts])
            units = units_of(self._hashes(np.asarray([match[1] for _, match in parts], dtype=object)), numbers)
            places[[place for place, _ in parts]] = self._index.find(units)
        return places

    def _keep(self, places: Places, written: NDArray[np.int64], target: "pd.Series[Any]") -> None:
        known = np.flatnonzero(places != NO_PLACE)
        known = known[np.argsort(written[known], kind="stable")]
        known = known[written[known] >= self._written[places[known]]]
        # Of several labels of one row, NumPy keeps the last that is assigned: the newest.
        self._written[places[known]] = written[known]
        self._numbers[places[known]] = self._as_numbers(target.iloc[known])

    def _as_numbers(self, target: "pd.Series[Any]") -> NDArray[np.float64]:
        if self._columns.kind == "regression":
            return target.to_numpy(dtype=np.float64)
        codes, names = pd.factorize(target)
        numbers = [self._classes.setdefault(str(name), len(self._classes)) for name in names]
        return np.asarray(numbers, dtype=np.float64)[codes]

    def forget_younger(self, than: int) -> None:
        """Rows that were asked after this time have no label."""
        self._numbers[self._index.times > than] = np.nan

    def column(self, places: Places) -> Any:
        """The labels of these rows, as a column that a file might have."""
        numbers = self._numbers[places]
        if self._columns.kind == "regression":
            return pa.array(numbers, from_pandas=True)
        missing = np.isnan(numbers)
        codes = np.where(missing, 0, numbers).astype(np.int32)
        return pa.DictionaryArray.from_arrays(pa.array(codes, mask=missing), pa.array(list(self._classes), pa.string()))
