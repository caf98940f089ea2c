"""A digest of the rows of a check, by which the operator knows that the next check has measured the same rows."""

import hashlib
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas as pd


class RowsDigest:
    """Of the numbers and times of each row, and of how often each category and class occurs."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()

    def add_numbers(self, values: NDArray[Any]) -> None:
        self._hash.update(np.ascontiguousarray(values).view(np.uint8).data)

    def add_counts(self, counts: Mapping[Any, int]) -> None:
        for value, count in sorted((str(value), count) for value, count in counts.items()):
            self._hash.update(f"{value}\0{count}\0".encode("utf-8", "surrogatepass"))

    def add_values(self, values: "pd.Series[Any]") -> None:
        if values.dtype.kind == "f":
            self.add_numbers(values.to_numpy())
        else:
            self.add_counts(Counter(values.tolist()))

    def add_times(self, times: "pd.Series[Any] | None") -> None:
        if times is not None:
            self.add_numbers(times.dt.tz_localize(None).to_numpy())

    def hex(self) -> str:
        return self._hash.hexdigest()[:32]
