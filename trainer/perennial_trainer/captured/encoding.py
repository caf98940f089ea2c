"""How captured rows are encoded: as one parquet file."""

import io
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.parquet as pq

from perennial_trainer.captured.layout import KEY


def encode_table(table: pa.Table) -> bytes:
    stream = io.BytesIO()
    few = [name for name in table.column_names if name != KEY]  # a dictionary of keys would have each of them
    pq.write_table(table, stream, compression="zstd", use_dictionary=few)
    return stream.getvalue()


def decode_table(content: bytes, columns: Sequence[str] | None = None) -> pa.Table:
    """The rows, with those of these columns that there are. Raises an error of Arrow."""
    return pq.read_table(io.BytesIO(content), columns=columns)
