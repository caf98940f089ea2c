"""Captured rows together with those of before, with the interface of `DataFiles`."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import pyarrow as pa

from perennial_trainer.data.files.readers import DataFiles
from perennial_trainer.data.notes import Notes
from perennial_trainer.data.schema import REQUEST, WEIGHT, Columns
from perennial_trainer.data.tables.captured.rows import CapturedRows
from perennial_trainer.data.tables.table import Table


@dataclass(frozen=True)
class Together:
    """The rows of `before`, each of which stands for itself, and captured rows, which stand for 1 / share."""

    before: DataFiles | Table
    captured: CapturedRows

    @cached_property
    def names(self) -> Sequence[str]:
        return [*self.before.names, *self.captured.names]

    @property
    def columns(self) -> Columns:
        return self.captured.columns

    @property
    def notes(self) -> Notes:
        return self.captured.notes

    def tables(self, name: str, whole: bool = False) -> Iterator[Any]:
        """The needed columns and the weight in Arrow tables of at least one row, or in one table with `whole`."""
        if name not in self.before.names:
            yield from self.captured.tables(name, whole)
            return
        from perennial_trainer.data.tables.captured.index import hash_keys

        weight, row = self.captured.joined().index.lightest, 0
        for table in self.before.tables(name, whole):
            alone = hash_keys([f"{name}\0{row + number}" for number in range(table.num_rows)])
            row += table.num_rows
            yield table.append_column(WEIGHT, pa.repeat(weight, len(alone))).append_column(REQUEST, pa.array(alone))

    def row_in_file(self, name: str, row: int) -> int:
        return (self.before if name in self.before.names else self.captured).row_in_file(name, row)

    def with_columns(self, columns: Columns) -> "Together":
        """The same rows, of which other columns are read."""
        return replace(self, before=self.before.with_columns(columns), captured=self.captured.with_columns(columns))

    def present_columns(self) -> Columns | None:
        """Those of before: what captured rows lack is missing there."""
        return self.before.present_columns()

    def close(self) -> None:
        self.before.close()
