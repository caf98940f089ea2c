"""A digest of the rows of a check, by which the operator knows that the next check has measured the same rows."""

import hashlib
import zlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from perennial_trainer.data.values.plain_rows import Coded, counts_of

if TYPE_CHECKING:
    import pandas as pd


class RowsDigest:
    """Of the numbers and times of each row, and of how often each category and class occurs."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()

    def add_numbers(self, values: NDArray[Any]) -> None:
        # A checksum of each column of a batch: SHA-256 of every value can take as long as counting them.
        checksum = zlib.crc32(np.ascontiguousarray(values).view(np.uint8).data)
        self._hash.update(checksum.to_bytes(4, "little"))

    def add_counts(self, counts: Mapping[Any, int]) -> None:
        for value, count in sorted((str(value), count) for value, count in counts.items()):
            self._hash.update(f"{value}\0{count}\0".encode("utf-8", "surrogatepass"))

    def add_values(self, values: Any) -> None:
        """Numbers or categories, of pandas or not."""
        if isinstance(values, Coded) or values.dtype.kind != "f":
            self.add_counts(counts_of(values))
        else:
            self.add_numbers(np.asarray(values))

    def add_times(self, times: "pd.Series[Any] | None") -> None:
        if times is not None:
            self.add_numbers(times.dt.tz_localize(None).to_numpy())

    def hex(self) -> str:
        return self._hash.hexdigest()[:32]
