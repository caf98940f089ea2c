"""Which captured rows count, and once: a request may be sent again, and a candidate in shadow answers a copy of it."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from perennial_trainer.captured.layout import KEY, ROW, SHADOW, TIME, VERSION, WEIGHT
from perennial_trainer.contract.features.columns import Features
from perennial_trainer.data.files.parts import FILES_AT_ONCE
from perennial_trainer.data.schema import Columns
from perennial_trainer.data.tables.captured.files import CapturedFiles

Units = NDArray[np.uint64]
Places = NDArray[np.int32]
Mask = NDArray[np.bool_]

_ODD = np.uint64(0x9E3779B97F4A7C15)
NO_PLACE = -1


def hash_keys(keys: Any) -> Units:
    """64 bits of each stored key."""
    return np.asarray(pd.util.hash_array(np.asarray(keys, dtype=object), categorize=False), dtype=np.uint64)


def units_of(requests: Units, rows: NDArray[Any]) -> Units:
    """64 bits of each row: of its key's hash and of its place among the rows of the key."""
    return np.asarray(pd.util.hash_array(requests + rows.astype(np.uint64) * _ODD), dtype=np.uint64)


@dataclass(frozen=True)
class Index:
    """Each row that counts, by ascending `units`; `places` say for each row of each file which one it is, or NO_PLACE.

    `weights` are relative to the greatest one.
    """

    places: dict[str, Places]
    units: Units
    requests: Units
    times: NDArray[np.int64]
    weights: NDArray[np.float64]
    lightest: float
    """The weight of a row that stands for itself alone."""

    def find(self, units: Units) -> Places:
        """Where these rows are, or NO_PLACE."""
        place = np.searchsorted(self.units, units)
        known = place < len(self.units)
        known[known] = self.units[place[known]] == units[known]
        return np.where(known, place, NO_PLACE).astype(np.int32)

    @cached_property
    def oldest(self) -> pd.Timestamp | None:
        return pd.Timestamp(self.times.min(), unit="us", tz="UTC") if len(self.times) else None


def read_index(files: CapturedFiles, version: str | None = None) -> Index:
    """The index of the rows of these files: of equal ones the first. Only the columns are read that decide.

    Copies do not count, unless only the rows that one version answered are asked for.
    """
    with ThreadPoolExecutor(FILES_AT_ONCE) as pool:
        read = [_Read.nothing(), *pool.map(lambda name: _Read.of_file(files, name, version), files.names)]
    ends = np.cumsum([len(part.request) for part in read[1:]])
    request, row, counts, time, weight = (np.concatenate(each) for each in zip(*read, strict=True))
    unit = units_of(request, row)
    asked = np.flatnonzero(counts)
    asked = asked[np.argsort(time[asked], kind="stable")]
    units, first = np.unique(unit[asked], return_index=True)
    counted = asked[first]
    place = np.full(len(unit), NO_PLACE, dtype=np.int32)
    place[counted] = np.arange(len(counted), dtype=np.int32)
    heaviest = float(weight[counted].max(initial=1.0))
    places = dict(zip(files.names, np.split(place, ends[:-1]), strict=True)) if len(ends) else {}
    return Index(places, units, request[counted], time[counted], weight[counted] / heaviest, 1 / heaviest)


class _Read(NamedTuple):
    """What decides whether n rows count."""

    request: Units
    row: NDArray[np.int32]
    counts: Mask
    time: NDArray[np.int64]
    weight: NDArray[np.float64]

    @classmethod
    def of_file(cls, files: CapturedFiles, name: str, version: str | None) -> "_Read":
        decides = VERSION if version else SHADOW
        columns = Columns(Features(numeric=(KEY, ROW, decides), categorical=()), WEIGHT, "regression", TIME)
        table = next(files.tables(name, columns.names, columns, whole=True))  # these columns are small
        microseconds = table[TIME].cast(pa.timestamp("us", "UTC")).cast(pa.int64())
        return cls(
            hash_keys(table[KEY].to_pandas()),
            table[ROW].to_numpy().astype(np.int32),
            table[VERSION].to_pandas().eq(version).to_numpy() if version else ~table[SHADOW].to_numpy().astype(bool),
            microseconds.to_numpy(),
            table[WEIGHT].to_numpy(),
        )

    @classmethod
    def nothing(cls) -> "_Read":
        return cls(*(np.empty(0, dtype=kind) for kind in (np.uint64, np.int32, bool, np.int64, np.float64)))
