"""Reads the rows of a URI in batches."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

from perennial_trainer.contract.task import Features
from perennial_trainer.data.readers import read_tables
from perennial_trainer.data.schema import Columns
from perennial_trainer.drift.recent_rows.batch import Batch
from perennial_trainer.storage.listing import list_files
from perennial_trainer.storage.store import open_filesystem

if TYPE_CHECKING:
    import pandas as pd

_T = TypeVar("_T")


def read_batches(uri: str, columns: Columns, optional_target: bool = False) -> Iterator[Batch]:
    """The rows that `load_rows` returns, in the order of file names and rows, in batches of at least one row.

    The memory needed depends on the size of parquet's row groups, not on the size of the files. Raises what `load_rows`
    raises; the numbers in a message are of one batch. With `optional_target`, a target column that is missing has
    missing values.
    """
    filesystem, path = open_filesystem(uri)
    files = list_files(filesystem, path, uri)
    return _read_ahead(
        Batch(columns, table, file)
        for file in files
        for table in read_tables(filesystem, file, columns, optional_target)
    )


def read_column(uri: str, name: str) -> Iterator["pd.Series[Any]"]:
    """The values of one column as stored, in the batches of `read_batches`."""
    only = Columns(Features(numeric=(), categorical=()), name, "regression", None)
    filesystem, path = open_filesystem(uri)
    for file in list_files(filesystem, path, uri):
        for table in read_tables(filesystem, file, only):
            yield table[name].to_pandas()


def _read_ahead(items: Iterator[_T]) -> Iterator[_T]:
    """The same items; the next one is read while one is in use."""
    with ThreadPoolExecutor(1) as pool:
        following = pool.submit(next, items, None)
        while (item := following.result()) is not None:
            following = pool.submit(next, items, None)
            yield item
