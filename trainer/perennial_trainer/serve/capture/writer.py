"""The process that writes captured rows: one parquet file for each batch that it gets, until the server is gone.

It is a process of its own so that a store that hangs can be ended, and so that the store's credentials stay apart.
"""

import signal
import socket
from pathlib import Path

import numpy as np
import pyarrow as pa

from perennial_trainer.captured.encoding import encode_table
from perennial_trainer.captured.layout import WRITING
from perennial_trainer.serve.capture.messages import Batch, Column, Reply, receive, send
from perennial_trainer.storage.store import child_uri, describe_error, open_filesystem, write_local

_FIXED = {"double": (np.float64, pa.float64()), "int": (np.int32, pa.int32())}


def main() -> None:
    for number in (signal.SIGTERM, signal.SIGINT):  # it ends with the server, which may have rows for it yet
        signal.signal(number, signal.SIG_IGN)
    with socket.socket(fileno=0) as connection:
        while batch := receive(connection, Batch):
            try:
                reply = Reply(write(batch))
            except Exception as error:  # each store has its own
                reply = Reply(error=describe_error(error)[:500])
            send(connection, reply)


def write(batch: Batch) -> int:
    """The bytes of the file, which is in its folder, whole."""
    content = encode(batch)
    filesystem, path = open_filesystem(child_uri(batch.folder, batch.name))
    if "file" in filesystem.protocol:
        captured = Path(path).parents[2]
        write_local(Path(path), captured / WRITING / batch.name, content)
    else:
        filesystem.pipe_file(path, content)
    return len(content)


def encode(batch: Batch) -> bytes:
    """The rows as a parquet file."""
    columns = {each.name: _array(each, batch.rows) for each in batch.columns}
    for name, value in batch.constants.items():
        columns[name] = pa.repeat(pa.scalar(value), batch.rows)
    schema = pa.schema([(name, values.type) for name, values in columns.items()], metadata=batch.metadata)
    return encode_table(pa.table(columns, schema))


def _array(column: Column, rows: int) -> pa.Array:
    if column.kind == "string":
        return _texts(column, rows)
    if column.kind == "bool":
        return pa.array(np.frombuffer(column.values, dtype=np.bool_))
    if column.kind == "time":
        times = np.frombuffer(column.values, dtype="datetime64[us]")
        return pa.array(times, pa.timestamp("us", "UTC"), from_pandas=True)
    numpy_type, arrow_type = _FIXED[column.kind]
    return pa.array(np.frombuffer(column.values, dtype=numpy_type), arrow_type, from_pandas=True)  # NaN is null


def _texts(column: Column, rows: int) -> pa.Array:
    lengths = np.frombuffer(column.lengths, dtype=np.int32)
    offsets = np.concatenate([[0], np.cumsum(np.maximum(lengths, 0), dtype=np.int32)]).astype(np.int32)
    valid = pa.array(lengths >= 0).buffers()[1]
    return pa.StringArray.from_buffers(rows, pa.py_buffer(offsets), pa.py_buffer(column.values), valid)


if __name__ == "__main__":
    main()
