"""How captured rows are encoded: as one parquet file."""

import io

import pyarrow as pa
import pyarrow.parquet as pq

from perennial_trainer.captured.layout import KEY


def encode_table(table: pa.Table) -> bytes:
    stream = io.BytesIO()
    few = [name for name in table.column_names if name != KEY]  # a dictionary of keys would have each of them
    pq.write_table(table, stream, compression="zstd", use_dictionary=few)
    return stream.getvalue()


def decode_table(content: bytes) -> pa.Table:
    return pq.read_table(io.BytesIO(content))
