"""The rows that a URI means, a few at a time."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

from perennial_trainer.contract.task import Features
from perennial_trainer.data import readers
from perennial_trainer.data.schema import Columns
from perennial_trainer.drift.batch import Batch
from perennial_trainer.storage import listing, store

if TYPE_CHECKING:
    import pandas as pd

_T = TypeVar("_T")


def read_batches(uri: str, columns: Columns, optional_target: bool = False) -> Iterator[Batch]:
    """The rows that `data.read` returns, in the order of file names and rows, few at a time and none empty.

    The memory needed depends on the size of parquet's row groups, not on that of the files. Raises what `read` does; a
    message counts within a part. With `optional_target`, rows without a target column have a missing target.
    """
    filesystem, path = store.open_filesystem(uri)
    names = listing.list_files(filesystem, path, uri)
    return _ahead(
        Batch(columns, table, name)
        for name in names
        for table in readers.read_tables(filesystem, name, columns, optional_target)
    )


def read_column(uri: str, name: str) -> Iterator["pd.Series[Any]"]:
    """The values of one column as they are in the files, in the same order and as few at a time as `parts`."""
    only = Columns(Features(numeric=(), categorical=()), name, "regression", None)
    filesystem, path = store.open_filesystem(uri)
    for file in listing.list_files(filesystem, path, uri):
        for table in readers.read_tables(filesystem, file, only):
            yield table[name].to_pandas()


def _ahead(parts: Iterator[_T]) -> Iterator[_T]:
    """The same: while one is worked on, the next is read."""
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(next, parts, None)
        while (part := coming.result()) is not None:
            coming = pool.submit(next, parts, None)
            yield part
