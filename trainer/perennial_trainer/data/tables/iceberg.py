"""The rows of one snapshot of an Iceberg table, without those that were deleted."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from pyiceberg.conversions import from_bytes
from pyiceberg.exceptions import ResolveError, ValidationError
from pyiceberg.expressions import AlwaysTrue, BooleanExpression, GreaterThan, Reference
from pyiceberg.expressions.literals import literal
from pyiceberg.io.pyarrow import ArrowScan
from pyiceberg.table import DataScan, FileScanTask
from pyiceberg.types import NestedField

from perennial_trainer.contract.errors import FailedTask, RejectedTask, TaskError
from perennial_trainer.data.files.parquet_file import require_values
from perennial_trainer.data.files.parts import Past
from perennial_trainer.data.schema import Columns
from perennial_trainer.data.tables.iceberg_files import open_table
from perennial_trainer.storage.listing import display_uri
from perennial_trainer.storage.store import describe_error

if TYPE_CHECKING:
    import pandas as pd

_UNITS: dict[str, Any] = {"date": "D", "timestamp": "us", "timestamptz": "us"}
"""Of the types whose values Iceberg compares with a time."""
_UNREADABLE = (ValueError, NotImplementedError, ResolveError, ValidationError)
"""What pyiceberg, Arrow and pydantic raise of metadata and files that they cannot read."""


class IcebergTable:
    """A snapshot; without an id the current one, with the names that columns have now."""

    def __init__(self, uri: str, snapshot: int | None = None) -> None:
        self.name = display_uri(uri)
        with self._translated():
            self._table, self._given = open_table(uri), snapshot
            current = self._table.metadata.current_snapshot_id
            if snapshot is not None and self._table.snapshot_by_id(snapshot) is None:
                raise RejectedTask(
                    "NotAnIcebergTable",
                    f"{self.name} has no snapshot {snapshot}: correct iceberg.snapshot, or leave it out",
                )
            if snapshot is None and current is None:
                raise RejectedTask("EmptyData", f"{self.name} has no snapshot yet: write rows there")
            self._schema = self._table.scan(snapshot_id=snapshot).projection()
        self.snapshot = f"Iceberg snapshot {current if snapshot is None else snapshot}"
        self.column_names: Sequence[str] = [field.name for field in self._schema.fields]

    def time_of_newest(self, n: int, columns: Columns, past: Past) -> "pd.Timestamp | None":
        """None if the time column is text or a number. Of the files that may have these rows, the times are read."""
        import pandas as pd

        field = self._schema.find_field(str(columns.time))
        if self._filtered_name(field) is None:
            return None
        kept: Any = np.empty(0, "M8[us]")
        with self._translated():
            scan = self._scan([field.name], AlwaysTrue())
            arrow = ArrowScan(scan.table_metadata, scan.io, scan.projection(), scan.row_filter)
            tasks = [(_newest(task, field), task) for task in scan.plan_files()]
            for newest, task in sorted(tasks, key=lambda each: each[0], reverse=True):
                if len(kept) == n and newest <= kept[0]:
                    break
                times = arrow.to_table([task])[0].drop_null().cast(pa.timestamp("us"))
                kept = np.sort(np.concatenate([kept, _only(past, times.to_numpy())]))[-n:]
        return pd.Timestamp(kept[0], tz="UTC") if len(kept) == n else None

    def count(self, columns: Columns, after: "pd.Timestamp | None") -> int:
        """Exactly so many."""
        name = columns.time if columns.time in self.column_names else self.column_names[0]
        with self._translated():
            return self._scan([str(name)], self._newer(columns, after)).count()

    def batches(self, names: Sequence[str], columns: Columns, after: "pd.Timestamp | None") -> Iterator[Any]:
        """The rows of one file after the other; files that have no newer row are not opened."""
        with self._translated():
            reader = self._scan(names, self._newer(columns, after)).to_arrow_batch_reader()
            require_values({field.name: field.type for field in reader.schema})
            yield reader.schema.empty_table().replace_schema_metadata()
            for batch in reader:
                yield pa.Table.from_batches([batch]).replace_schema_metadata()

    def close(self) -> None:
        """Nothing is held."""

    def _scan(self, names: Sequence[str], row_filter: BooleanExpression) -> DataScan:
        return self._table.scan(row_filter, tuple(names), snapshot_id=self._given)

    def _newer(self, columns: Columns, after: "pd.Timestamp | None") -> BooleanExpression:
        if after is None:
            return AlwaysTrue()
        field = self._schema.find_field(str(columns.time))
        zone = "+00:00" if str(field.field_type) == "timestamptz" else ""
        time = after.tz_convert(None).isoformat(timespec="microseconds") + zone
        value = time[:10] if str(field.field_type) == "date" else time
        return GreaterThan(term=Reference(str(self._filtered_name(field))), value=literal(value))

    def _filtered_name(self, field: NestedField) -> str | None:
        """What a filter calls it: the name that the column has now. None if it cannot be compared with a time."""
        return self._table.schema().find_column_name(field.field_id) if str(field.field_type) in _UNITS else None

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """What pyiceberg cannot read is a RejectedTask, any other error a FailedTask, DataUnreachable."""
        try:
            yield
        except TaskError:
            raise
        except _UNREADABLE as error:
            problem = ": ".join(str(error).split("\n")[0].split(": ")[:2])  # without values of rows
            raise RejectedTask(
                "UnreadableFile",
                f"pyiceberg cannot read {self.name} ({problem}): rewrite the files of the table, as "
                "rewrite_data_files of Spark does, or give a parquet export",
            ) from error
        except Exception as error:  # each store has its own exceptions
            raise FailedTask("DataUnreachable", f"{self.name} could not be read: {describe_error(error)}") from error


def _newest(task: FileScanTask, field: NestedField) -> Any:
    """No row of the file is newer; the largest time if the file does not say."""
    kind: Any = field.field_type
    bound = (task.file.upper_bounds or {}).get(field.field_id)
    if bound is None:
        return np.datetime64(np.iinfo(np.int64).max, "us")
    return np.datetime64(from_bytes(kind, bound), _UNITS[str(kind)]).astype("M8[us]")


def _only(past: Past, times: Any) -> Any:
    for sign, limit in past.limits():
        limit_us = limit.tz_convert(None).to_datetime64()
        times = times[times <= limit_us if sign == "<=" else times < limit_us]
    return times
