"""Reads the values of tensors that follow the JSON of a body: little-endian, each text after its length in four bytes.

NaN is a missing value. Each tensor says its bytes in the parameter `binary_data_size`.
"""

import math
from typing import Any

import msgspec
import numpy as np

from perennial_trainer.serve.tensors import BadRequestError, Request, Tensor

LENGTH = 4
HEADER = "Inference-Header-Content-Length"


def split(body: bytes, header: str | None) -> tuple[bytes, memoryview | None]:
    """The JSON of a body, and what follows it by the length of the JSON in the header; None without that header."""
    if header is None:
        return body, None
    digits = header.strip()
    if not (digits.isascii() and digits.isdigit() and len(digits) < 20 and int(digits) <= len(body)):
        raise BadRequestError(
            f"the header {HEADER} is {header[:40]!r}, but the body has {len(body)} bytes: give the length of its JSON"
        )
    return body[: int(digits)], memoryview(body)[int(digits) :]


def fill(request: Request, rest: memoryview | None) -> None:
    """Every input has its values, those in `rest` too. Raises BadRequestError."""
    for place, tensor in enumerate(request.inputs):
        size = tensor.parameters.binary_data_size if tensor.parameters else None
        if size is None:
            if tensor.data is msgspec.UNSET:
                raise BadRequestError(f"inputs[{place}] (input {tensor.name}): object missing required field data")
            continue
        if tensor.data is not msgspec.UNSET:
            raise BadRequestError(f"input {tensor.name} has data and binary_data_size: give one of the two")
        if rest is None:
            raise BadRequestError(f"input {tensor.name} has binary_data_size: give the header {HEADER}, too")
        if size > len(rest):
            raise BadRequestError(
                f"input {tensor.name} has the binary_data_size {size}, but {len(rest)} bytes are left in the body: "
                f"correct it, or the header {HEADER}"
            )
        tensor.data, rest = _values(tensor, rest[:size]), rest[size:]
    if rest:
        raise BadRequestError(f"{len(rest)} bytes of the body belong to no input: correct its binary_data_size")


def _values(tensor: Tensor, data: memoryview) -> Any:
    if tensor.datatype == "BYTES":
        return _texts(tensor, data)
    dtype = _dtype(tensor.datatype)
    size = math.prod(tensor.shape) * dtype.itemsize
    if size != len(data):
        raise BadRequestError(
            f"input {tensor.name} has the binary_data_size {len(data)}, but the shape {tensor.shape} of "
            f"{tensor.datatype} has {size} bytes: fix one of the two"
        )
    values = np.frombuffer(data, dtype=dtype)
    if tensor.datatype == "BOOL" and values.max() > 1:
        raise BadRequestError(f"input {tensor.name} is {values.max()} as BOOL: send bytes of 0 and 1")
    return values.view(np.bool_) if tensor.datatype == "BOOL" else values


def _dtype(datatype: str) -> np.dtype[Any]:
    kind = {"B": "u", "F": "f", "I": "i", "U": "u"}[datatype[0]]
    bits = 8 if datatype == "BOOL" else int(datatype.lstrip("FPUINT"))
    return np.dtype(f"<{kind}{bits // 8}")


def _texts(tensor: Tensor, data: memoryview) -> list[str]:
    texts: list[str] = []
    start = 0
    while start < len(data):
        first, end = start + LENGTH, start + LENGTH + int.from_bytes(data[start : start + LENGTH], "little")
        row = len(texts) // math.prod(tensor.shape[1:])
        if first > len(data) or end > len(data):
            raise BadRequestError(
                f"input {tensor.name} ends within the text in row {row} (the first row is 0): "
                "give each its length in four bytes, the least first, and then its bytes"
            )
        try:
            texts.append(str(data[first:end], "utf-8"))
        except UnicodeDecodeError:
            message = f"input {tensor.name} is not UTF-8 in row {row} (the first row is 0): encode it as UTF-8"
            raise BadRequestError(message) from None
        start = end
    return texts
