"""The numbers and categories of a batch are those of its Arrow table, whatever its types and its place in a file."""

import math

import pyarrow as pa
import pytest

from perennial_trainer.contract.features.columns import Features
from perennial_trainer.data.schema import Columns
from perennial_trainer.drift.recent_rows.batch import Batch

COLUMNS = Columns(Features(numeric=("x",), categorical=("c",)), "y", "regression", None)
PLACES = [(0, 20), (3, 9), (8, 8), (13, 7), (5, 0)]
"""Where a batch begins in its table, and how many rows it has: within a byte of Arrow's bits, and across bytes."""


def batch(values: pa.Array, categories: pa.Array, first: int, rows: int) -> Batch:
    table = pa.table({"x": values, "c": categories, "y": pa.nulls(len(values))})
    return Batch(COLUMNS, table.slice(first, rows), "rides.parquet")


@pytest.mark.parametrize(("first", "rows"), PLACES)
@pytest.mark.parametrize("missing", [None, 3])
@pytest.mark.parametrize(
    "kind", [pa.float64(), pa.float32(), pa.float16(), pa.int64(), pa.int8(), pa.uint16()], ids=str
)
def test_numbers_are_those_of_the_table(kind: pa.DataType, missing: int | None, first: int, rows: int) -> None:
    numbers = [None if missing and each % missing == 0 else each for each in range(20)]
    values = pa.array(numbers, pa.int64()).cast(kind)
    names = pa.array(map(str, numbers)).dictionary_encode()
    floats = batch(values, names, first, rows).numeric_values("x").tolist()
    expected = [math.nan if each is None else float(each) for each in numbers[first : first + rows]]
    assert str(floats) == str(expected)


@pytest.mark.parametrize(("first", "rows"), PLACES)
@pytest.mark.parametrize("dictionary", [True, False])
def test_categories_are_counted_as_in_the_table(dictionary: bool, first: int, rows: int) -> None:
    numbers = [None if each % 5 == 0 else each % 4 for each in range(20)]
    categories = pa.array([each if each is None else f"c{each}" for each in numbers]).dictionary_encode()
    values = categories if dictionary else pa.array(numbers, pa.int32())
    counted = batch(pa.array(numbers), values, first, rows).category_counts("c")
    present = [each for each in numbers[first : first + rows] if each is not None]
    assert counted == {f"{'c' * dictionary}{each}": present.count(each) for each in set(present)}
