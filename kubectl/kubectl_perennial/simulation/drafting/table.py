"""The rows of a file whose columns are not known yet: each value as text, and how csv writes numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from msgspec import structs

from kubectl_perennial.errors import CommandError, some
from kubectl_perennial.simulation.history import tables_of
from perennial_trainer.contract.capture.settings import RESERVED
from perennial_trainer.contract.data import CsvFormat
from perennial_trainer.contract.errors import RejectedTask, TaskError
from perennial_trainer.contract.features.columns import Features
from perennial_trainer.data.conversion import to_frame
from perennial_trainer.data.files.csv_dialect import SEPARATORS, Dialect
from perennial_trainer.data.files.readers import DataFiles
from perennial_trainer.data.notes import Notes
from perennial_trainer.data.schema import Columns
from perennial_trainer.data.values.numbers import NULL_WORDS, NumberFormat
from perennial_trainer.redaction import printable
from perennial_trainer.storage.listing import list_files
from perennial_trainer.storage.store import open_filesystem

SAMPLE = 20_000
"""Rows, evenly chosen, that show what a column is."""
FORMATS = (
    NumberFormat(),
    NumberFormat(","),
    NumberFormat(".", ","),
    NumberFormat(",", "."),
    *(NumberFormat(decimal, thousands) for thousands in " \u00a0\u202f'" for decimal in ".,"),
)
LONGEST_NAME = 128
MOSTLY = 0.8
"""Share of the values that must be numbers for a column of numbers; the others count as missing."""


@dataclass(frozen=True, eq=False)
class TextTable:
    """A sample of the rows, as text without null words; `left_out` are columns whose name cannot be used, and why."""

    values: pd.DataFrame
    rows: int
    left_out: dict[str, str]
    csv: CsvFormat = field(default_factory=CsvFormat)
    """What is known of the form of csv."""

    def has_numbers(self, name: str) -> bool:
        """Whether most values of the column are numbers, in the form that is given or in one of the known ones."""
        given = self.csv
        return any(
            number_share(self.values[name], style) >= MOSTLY
            for style in FORMATS
            if given.decimal in (None, style.decimal) and given.thousands in (None, style.thousands)
        )


def given_form(decimal: Any, thousands: Any) -> CsvFormat:
    """The form of csv that a person has given. CommandError for two equal signs."""
    try:
        return CsvFormat(decimal=decimal, thousands=thousands)
    except ValueError as error:
        raise CommandError(f"--decimal and --thousands: {error}") from error


def read_text(uri: str, target: str, csv: CsvFormat) -> TextTable:
    """The table at the URI. CommandError without rows, or without the target among the columns."""
    try:
        names, separator = _names(uri, target)
        usable, left_out = _usable(names)
        columns, parts = _read(uri, target, usable, left_out)
    except TaskError as error:
        raise CommandError(f"{error.reason}: {error.message}") from error
    table = pa.concat_tables(parts, promote_options="permissive") if parts else pa.table({})
    if not table.num_rows:
        raise CommandError(f"{uri.removeprefix('file://')} holds no row: write rows below the header")
    places = np.unique(np.linspace(0, table.num_rows - 1, SAMPLE).astype(np.int64))
    frame = to_frame(table.take(pa.array(places)), columns)
    text = frame.map(lambda value: value.strip(), na_action="ignore")
    return TextTable(
        text.mask(text.isin([*NULL_WORDS])), table.num_rows, left_out, structs.replace(csv, separator=separator)
    )


def _read(uri: str, target: str, usable: Sequence[str], left_out: dict[str, str]) -> tuple[Columns, list[pa.Table]]:
    """The tables of all files, of columns that have one value in each row; the others go to `left_out`."""
    others = tuple(name for name in usable if name != target and name not in left_out)
    columns = Columns(Features(numeric=(), categorical=others), target, "classification", None)
    try:
        return columns, tables_of(uri, columns, Notes())
    except RejectedTask as refusal:
        if not refusal.columns or target in refusal.columns:
            raise
        left_out |= dict.fromkeys(refusal.columns, "a row has several values of it: write each as a column of its own")
        return _read(uri, target, usable, left_out)


def _names(uri: str, target: str) -> tuple[list[str], str | None]:
    """The columns of the first file, and the separator of csv."""
    filesystem, path = open_filesystem(uri)
    files = list_files(filesystem, path, uri).files
    names, dialect = _header(filesystem, files, target, CsvFormat())
    if target in names:
        return names, dialect.separator if dialect else None
    if dialect:  # which separator it is does not matter for the sentence that says so
        headers = (_header(filesystem, files, target, CsvFormat(separator=each))[0] for each in SEPARATORS)
        names = max(headers, key=len)
    if not names:
        raise CommandError(f"{path} is empty: write a header and rows")
    raise CommandError(f"column {target} is missing; the columns are {some(names)}: correct --target")


def _header(filesystem: object, files: Sequence[str], target: str, csv: CsvFormat) -> tuple[list[str], Dialect | None]:
    columns = Columns(Features(numeric=(), categorical=()), target, "classification", None, csv=csv)
    data = DataFiles(filesystem, files, columns)
    return data.column_names(files[0]), data.dialect(files[0])


def _usable(names: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """The names that a manifest may have, and why not the others."""
    counts, left_out = Counter(names), {}
    for name in counts:
        if counts[name] > 1:
            left_out[name] = f"{counts[name]} columns have this name"
        elif not name.strip() or len(name) > LONGEST_NAME:
            left_out[name] = f"a name has 1 to {LONGEST_NAME} characters"
        elif printable(name) != name:
            left_out[name] = "its name has control characters"
        elif name.startswith(RESERVED):
            left_out[name] = f"names that begin with {RESERVED} are those of captured rows"
    return [name for name in counts if name not in left_out], left_out


def number_share(values: pd.Series[str], style: NumberFormat) -> float:
    """The share of the present values that are numbers in this format."""
    present = values.dropna()
    return float(present.str.match(style.pattern).mean()) if len(present) else 0.0
