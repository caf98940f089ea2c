"""Reads the rows of a source in batches."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

from perennial_trainer.contract.data import DataSource
from perennial_trainer.contract.features.columns import Features
from perennial_trainer.data.notes import Notes
from perennial_trainer.data.schema import Columns
from perennial_trainer.data.tables.source import Source, open_source
from perennial_trainer.drift.recent_rows.batch import Batch

if TYPE_CHECKING:
    import pandas as pd

_T = TypeVar("_T")


def read_batches(
    data: DataSource | str, columns: Columns, optional_target: bool = False, notes: Notes | None = None
) -> Iterator[Batch]:
    """The rows that `load_rows` returns, in the order of file names and rows, in batches of at least one row.

    The memory needed depends on the size of parquet's row groups, not on the size of the files. Raises what `load_rows`
    raises; the numbers in a message are of one batch. With `optional_target`, a target column that is missing has
    missing values. Rows of the future are not left out.
    """
    source = open_source(data, columns, notes, optional_target)
    try:
        yield from batches_of(source)
    finally:
        source.close()


def batches_of(files: Source) -> Iterator[Batch]:
    """The rows of these files, as those of `read_batches`."""
    return _read_ahead(batch for file in files.names for batch in _batches(files, file))


def read_column(files: Source, name: str) -> Iterator["pd.Series[Any]"]:
    """The values of one column as stored, in the batches of `batches_of`."""
    no_features = Features(numeric=(), categorical=())
    only = files.with_columns(Columns(no_features, name, "regression", name, csv=files.columns.csv))
    for file in only.names:
        for table in only.tables(file):
            yield table[name].to_pandas()


def _batches(files: Source, file: str) -> Iterator[Batch]:
    row = 0
    for table in files.tables(file):
        yield Batch(files.columns, table, file, files.row_in_file(file, row))
        row += table.num_rows


def _read_ahead(items: Iterator[_T]) -> Iterator[_T]:
    """The same items; the next one is read while one is in use."""
    with ThreadPoolExecutor(1) as pool:
        following = pool.submit(next, items, None)
        while (item := following.result()) is not None:
            following = pool.submit(next, items, None)
            yield item
