"""Reads a csv file: its column names, and the needed columns at once or block by block."""

import csv
import io
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

import pyarrow as pa
import pyarrow.csv

from perennial_trainer.contract.errors import RejectedTask
from perennial_trainer.data.categories import category_name
from perennial_trainer.data.files.csv_dialect import SAMPLE, Dialect, recognise
from perennial_trainer.data.files.file import DataFile
from perennial_trainer.data.schema import Columns
from perennial_trainer.data.values.numbers import NULL_WORDS, text_to_floats
from perennial_trainer.storage.file_formats import is_tab_separated
from perennial_trainer.storage.listing import display_uri

BLOCK = 1 << 23  # bytes


class CsvFile:
    """A csv file whose dialect is known."""

    def __init__(self, file: DataFile, columns: Columns) -> None:
        self._file = file
        self._columns = columns
        with file.open() as stream:
            sample = stream.read(SAMPLE)
        self.dialect: Dialect = recognise(sample, columns, is_tab_separated(display_uri(file.name)))

    @property
    def column_names(self) -> list[str]:
        return list(self.dialect.names)

    def describe(self) -> str:
        """What is unusual in how the file is written."""
        return self.dialect.describe()

    def read_table(self, needed: Sequence[str]) -> Any:
        """All rows; numbers are converted while the file is read, or afterwards if a value is not a number."""
        numeric = [] if self.dialect.numbers.thousands else self._numeric(needed)
        try:
            with self._file.open() as stream:
                table = pyarrow.csv.read_csv(stream, **self._options(needed, numeric))
        except pa.ArrowInvalid as error:
            if not numeric or "conversion error" not in str(error):
                raise self._refusal(error) from error
            return self._read_as_text(needed)
        return pa.table({name: self._typed(name, table[name], name in numeric) for name in needed})

    def _read_as_text(self, needed: Sequence[str]) -> Any:
        try:
            with self._file.open() as stream:
                table = pyarrow.csv.read_csv(stream, **self._options(needed, []))
        except pa.ArrowInvalid as error:
            raise self._refusal(error) from error
        return pa.table({name: self._typed(name, table[name], False) for name in needed})

    def read_batches(self, needed: Sequence[str]) -> Iterator[Any]:
        """Types are inferred for each block: in a later block a number may be followed by a word."""
        try:
            with self._file.open() as stream:
                for block in pyarrow.csv.open_csv(stream, **self._options(needed, [])):
                    yield pa.table({name: self._typed(name, block[name], False) for name in needed})
        except pa.ArrowInvalid as error:
            raise self._refusal(error) from error

    def _numeric(self, needed: Sequence[str]) -> list[str]:
        return [
            name for name in needed if name not in (*self._columns.as_text, *self._columns.times, self._columns.time)
        ]

    def _options(self, needed: Sequence[str], numeric: Sequence[str]) -> dict[str, Any]:
        return {
            "read_options": pyarrow.csv.ReadOptions(
                block_size=BLOCK, encoding=self.dialect.encoding, skip_rows=self.dialect.skipped
            ),
            "parse_options": pyarrow.csv.ParseOptions(delimiter=self.dialect.separator, newlines_in_values=True),
            "convert_options": pyarrow.csv.ConvertOptions(
                include_columns=list(needed),
                column_types={name: pa.float64() if name in numeric else pa.string() for name in needed},
                null_values=[*NULL_WORDS, *self.dialect.null_values],
                strings_can_be_null=False,  # a word such as NA is a category
                decimal_point=self.dialect.numbers.decimal,
            ),
        }

    def _typed(self, name: str, values: Any, is_number: bool) -> Any:
        """Categories as a dictionary, numbers as numbers, and text where a value of a numeric column is not one."""
        nulls = self.dialect.null_values
        if is_number:
            return _without_numbers(values, self.dialect.null_numbers)
        if name in self._columns.as_text:
            return (_without_categories(values, nulls) if nulls else values).dictionary_encode()
        values = _without(values, (*NULL_WORDS, *nulls))
        if name in self._columns.times:
            return _times(values)
        floats, not_number = text_to_floats(values, self.dialect.numbers)
        numbers = _without_numbers(pa.array(floats, from_pandas=True), self.dialect.null_numbers)
        if not not_number.any():
            return numbers
        import pyarrow.compute as pc

        return pc.if_else(pa.array(not_number), _combined(values), numbers.cast(pa.string()))

    def _refusal(self, error: Exception) -> RejectedTask:
        """The first line that does not fit the header, found by reading the file again."""
        problem = ": ".join(str(error).split(": ")[:2])  # Arrow adds the row, whose values must not be logged
        place = ""
        with self._file.open() as stream:
            text = io.TextIOWrapper(stream, encoding=self.dialect.encoding, errors="strict", newline="")
            lines, previous, width = csv.reader(text, delimiter=self.dialect.separator), 0, len(self.dialect.names)
            try:
                for row in islice(lines, self.dialect.skipped, None):
                    if row and len(row) != width:
                        problem = f"{len(row)} fields instead of the {width} of the header"
                        place = f"line {previous + 1}: "
                        break
                    previous = lines.line_num
            except UnicodeDecodeError:
                problem = f"not {self.dialect.encoding}: say in data.csv.encoding how the file is written"
                place = f"after line {previous}: "
            except csv.Error as malformed:
                problem, place = str(malformed), f"line {previous + 1}: "
        return RejectedTask(
            "UnreadableFile", f"{place}the file is not valid csv ({problem}): write it again, or remove it"
        )


def _without(values: Any, nulls: Sequence[str]) -> Any:
    import pyarrow.compute as pc

    return pc.if_else(pc.is_in(values, value_set=pa.array(nulls, pa.string())), None, values)


def _without_categories(values: Any, nulls: Sequence[str]) -> Any:
    """The values without those of which a null value is another name: -999.0 is -999."""
    import pyarrow.compute as pc

    names = {category_name(each) for each in nulls}
    other = [each for each in pc.unique(values).to_pylist() if each and category_name(each) in names]
    return _without(values, ["", *other])


def _without_numbers(values: Any, nulls: Sequence[float]) -> Any:
    import pyarrow.compute as pc

    return pc.if_else(pc.is_in(values, value_set=pa.array(nulls, pa.float64())), None, values) if nulls else values


def _times(values: Any) -> Any:
    """Integers or floats if all of the text are, since text of digits has no other meaning."""
    for kind in (pa.int64(), pa.float64()):
        try:
            return values.cast(kind)
        except pa.ArrowInvalid:
            continue
    return values


def _combined(values: Any) -> Any:
    return values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
