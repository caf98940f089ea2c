"""Writes the values of an output as the bytes that follow the JSON of a response."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from perennial_trainer.serve.binary.reading import LENGTH


def encode(values: NDArray[Any]) -> bytes:
    """The values in row-major order: FP64, INT64, or texts, each with its length before it."""
    if values.dtype.kind != "O":
        return np.ascontiguousarray(values, dtype=values.dtype.newbyteorder("<")).tobytes()
    texts = [str(value).encode() for value in values.ravel()]
    return b"".join(len(text).to_bytes(LENGTH, "little") + text for text in texts)
