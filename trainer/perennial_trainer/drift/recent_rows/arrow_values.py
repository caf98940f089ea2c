"""The values of Arrow arrays, read from their buffers.

Arrow's `to_numpy` imports pandas, and `cast` and `drop_null` import `pyarrow.compute`, which takes longer than to count
100,000 rows.
"""

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from perennial_trainer.data.categories import python_values
from perennial_trainer.data.values.plain_rows import Coded


def to_floats(column: Any, into: NDArray[np.float64]) -> bool:
    """Whether all values of a column are numbers; then they are in the array, as float64, NaN where one is missing."""
    if pa.types.is_null(column.type):
        into.fill(np.nan)
        return True
    if not (pa.types.is_floating(column.type) or pa.types.is_integer(column.type)):
        return False
    first = 0
    for chunk in column.chunks:
        floats = into[first : first + len(chunk)]
        floats[:] = _stored(chunk)
        if chunk.null_count:
            floats[~_present(chunk)] = np.nan
        first += len(chunk)
    return True


def has_codes(column: Any) -> bool:
    """Whether its categories are numbers, or a dictionary, so that few of them have to be named."""
    return bool(pa.types.is_dictionary(column.type) or pa.types.is_integer(column.type))


def coded(column: Any) -> Coded | None:
    """A column of categories; None if each value of it would have to be named."""
    if not has_codes(column):
        return None
    values: list[Any] = []
    places = [np.empty(0, dtype=np.intp)]
    for chunk in column.chunks:
        different, codes = _codes(chunk)
        places.append(np.where(codes < 0, -1, codes + len(values)))
        values += different
    return Coded.named(values, np.concatenate(places) if len(places) != 2 else places[1])


def value_counts(values: Any) -> tuple[list[Any], NDArray[np.intp]]:
    """Each present value of an Arrow array with codes, and how often it occurs."""
    different, codes = _codes(values)
    return different, np.bincount(codes[codes >= 0] if values.null_count else codes, minlength=len(different))


def _codes(values: Any) -> tuple[list[Any], NDArray[np.intp]]:
    """The different values of an Arrow array, and the place of each row's; -1 is missing."""
    if pa.types.is_dictionary(values.type):
        different, numbers = python_values(values.dictionary), values.indices
        codes = _stored(numbers).astype(
            np.intp
        )  # those of a small or an unsigned type have no place for more, or for -1
    else:
        distinct, codes = np.unique(_stored(values), return_inverse=True)
        different, numbers = distinct.tolist(), values
    return different, np.where(_present(numbers), codes, -1) if numbers.null_count else codes


def _stored(values: Any) -> NDArray[Any]:
    """The numbers of an Arrow array as they are stored, without a copy; any number where one is missing."""
    dtype = np.dtype(values.type.to_pandas_dtype())
    if not len(values):
        return np.empty(0, dtype)
    return np.frombuffer(values.buffers()[1], dtype, len(values), values.offset * dtype.itemsize)


def _present(values: Any) -> NDArray[np.bool_]:
    """Which values of an Arrow array with missing ones are present."""
    first, skipped = divmod(values.offset, 8)
    octets = np.frombuffer(values.buffers()[0], np.uint8, (skipped + len(values) + 7) // 8, first)
    return np.unpackbits(octets, count=skipped + len(values), bitorder="little")[skipped:].view(np.bool_)
