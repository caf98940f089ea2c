"""Reads a file with one JSON object in each line."""

import json
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

import orjson
import pyarrow as pa

from perennial_trainer.contract.errors import RejectedTask, join_names
from perennial_trainer.data.categories import category_name
from perennial_trainer.data.files.file import DataFile
from perennial_trainer.data.files.parquet_file import nested_columns
from perennial_trainer.data.schema import Columns

BATCH = 65_536  # rows
HEAD = 1000  # rows that name the columns


class JsonLines:
    """A file of JSON objects; a value that an object lacks, or null, is missing."""

    def __init__(self, file: DataFile, columns: Columns) -> None:
        self._file = file
        self._columns = columns
        names: dict[str, None] = {}
        for row in islice(self._rows(), HEAD):
            names |= dict.fromkeys(row)
        if not set(columns.names) <= names.keys():  # a column may have its first value late
            for row in self._rows():
                names |= dict.fromkeys(row)
        self.column_names = list(names)

    def describe(self) -> str:
        """Nothing: JSON is written in one way."""
        return ""

    def read_table(self, needed: Sequence[str]) -> Any:
        """All rows."""
        tables = list(self.read_batches(needed))
        if not tables:
            return pa.table({name: pa.nulls(0) for name in needed})
        return pa.table({name: _joined([table[name] for table in tables]) for name in needed})

    def read_batches(self, needed: Sequence[str]) -> Iterator[Any]:
        """The rows, so many at a time."""
        rows = self._rows()
        while part := list(islice(rows, BATCH)):
            nested = [name for name in needed if any(isinstance(row.get(name), (list, dict)) for row in part)]
            if nested:
                raise nested_columns(nested, f"column {join_names(nested)} has a list or an object in a row")
            yield pa.table({name: self._column(name, [row.get(name) for row in part]) for name in needed})

    def _column(self, name: str, values: list[Any]) -> Any:
        if name in self._columns.as_text:
            return pa.array([category_name(value) for value in values], pa.string(), from_pandas=True)
        kinds = {type(value) for value in values if value is not None}
        if str in kinds:
            return pa.array([value if value is None else _text(value) for value in values], pa.string())
        if kinds <= {int} and all(value is None or abs(value) < 2**63 for value in values):
            return pa.array(values, pa.int64())
        return pa.array([value if value is None else float(value) for value in values], pa.float64())

    def _rows(self) -> Iterator[dict[str, Any]]:
        with self._file.open() as stream:
            for number, line in enumerate(stream, start=1):
                if line.strip():
                    yield _object(line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line, number)


def _joined(columns: Sequence[Any]) -> Any:
    """The batches of one column in one type: text if any has text."""
    kinds = {column.type for column in columns}
    kind = next(iter(kinds)) if len(kinds) == 1 else pa.string() if pa.string() in kinds else pa.float64()
    return pa.chunked_array([chunk.cast(kind) for column in columns for chunk in column.chunks], kind)


def _object(line: bytes, number: int) -> dict[str, Any]:
    try:
        value = orjson.loads(line)
    except orjson.JSONDecodeError:
        try:
            value = json.loads(line)  # accepts NaN and Infinity, as Python writes them
        except (ValueError, RecursionError) as error:
            raise RejectedTask(
                "UnreadableFile", f"line {number} is not JSON: write the file again, or remove it"
            ) from error
    if not isinstance(value, dict):
        raise RejectedTask("UnreadableFile", f"line {number} is not a JSON object: write one object in each line")
    return value


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
