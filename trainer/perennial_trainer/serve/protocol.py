"""Reads an inference request for a model and writes its response.

A request has one tensor per feature, of shape [n] or [n, 1]; a model without categorical features also takes a single
tensor of shape [n, features], its columns in the features' order.
"""

import math
from collections.abc import Collection, Iterator, Mapping
from itertools import chain
from typing import Any, NamedTuple

import msgspec
import numpy as np
import orjson
from numpy.typing import NDArray

from perennial_trainer.contract.errors import join_names
from perennial_trainer.contract.features.columns import Features
from perennial_trainer.data.values.numbers import LARGEST, too_large
from perennial_trainer.serve.binary import reading
from perennial_trainer.serve.tensors import BadRequestError, Output, Request, Tensor, decode

MAX_UINT64 = (1 << 64) - 1

Column = NDArray[np.float64] | NDArray[np.datetime64] | list[Any]


class Inference(NamedTuple):
    """A request that can be predicted: `rows` values for each feature, and the requested outputs.

    `keys` are what the request names its rows by, besides the id: one value for all, or one for each.
    """

    id: str | None
    rows: int
    columns: Mapping[str, Column]
    outputs: Collection[str]
    keys: Any = None
    binary: Collection[str] = ()
    """The outputs that are wanted in binary form."""

    def parts(self, rows: int) -> "Iterator[Inference]":
        """The request in parts of at most so many rows, without copies of its numbers."""
        if self.rows <= rows:
            yield self
            return
        for start in range(0, self.rows, rows):
            columns = {name: values[start : start + rows] for name, values in self.columns.items()}
            yield self._replace(rows=min(rows, self.rows - start), columns=columns)


def read_request(
    body: bytes, features: Features, outputs: Collection[str], key: str | None = None, json_length: str | None = None
) -> Inference:
    """The request in `body`, for a model with these features that gives these outputs; else a BadRequestError.

    `key` is the name of an input or a parameter that may have the keys of the rows, and is not a feature.
    `json_length` is the header that a body with binary tensors has.
    """
    content, rest = reading.split(body, json_length)
    request = decode(content)
    reading.fill(request, rest)
    parameters = msgspec.json.decode(request.parameters) if request.parameters else None
    parameters = parameters if isinstance(parameters, dict) else {}
    keys = _take_keys(request, key, parameters) if key else None
    asked = request.outputs or [Output("predict")]
    wanted = [output.name for output in asked]
    unknown = [name for name in wanted if name not in outputs]
    if unknown:
        raise BadRequestError(f"output {join_names(unknown)} is unknown: ask for {join_names(outputs)}")
    first = request.inputs[0]
    one_tensor = len(request.inputs) == 1 and len(first.shape) == 2 and first.name not in features.inputs
    columns = _matrix(first, features) if one_tensor else _columns(request, features)
    every = parameters.get("binary_data_output") is True
    binary = [each.name for each in asked if _is_binary(each, every)]
    return Inference(request.id, first.shape[0], columns, wanted, keys, binary)


def _is_binary(output: Output, otherwise: bool) -> bool:
    own = output.parameters.binary_data if output.parameters else None
    return otherwise if own is None else own


def write_response(
    model: str,
    version: str,
    request_id: str | None,
    outputs: Mapping[str, NDArray[Any]],
    binary: Mapping[str, bytes] | None = None,
) -> bytes:
    """The response as JSON: one tensor for each output, its data flat and in row-major order; NaN is null.

    An output in `binary` has the size of these bytes in place of data.
    """
    binary = binary or {}
    response = {"model_name": model, "model_version": version} | ({} if request_id is None else {"id": request_id})
    tensors = [
        {"name": name, "shape": values.shape, "datatype": datatype_name(values.dtype)}
        | (
            {"parameters": {"binary_data_size": len(binary[name])}}
            if name in binary
            else {"data": values.tolist() if values.dtype.kind == "O" else np.ascontiguousarray(values).ravel()}
        )
        for name, values in outputs.items()
    ]
    return orjson.dumps(response | {"outputs": tensors}, option=orjson.OPT_SERIALIZE_NUMPY)


def datatype_name(dtype: np.dtype[Any]) -> str:
    """The protocol's name of the data type of an output: floats, integers or text."""
    return {"f": "FP64", "i": "INT64"}.get(dtype.kind, "BYTES")


def _take_keys(request: Request, name: str, parameters: Mapping[str, Any]) -> Any:
    """The values of the input of this name, which leaves the request, or of the parameter; None without either."""
    for place, tensor in enumerate(request.inputs):
        if tensor.name == name and len(request.inputs) > 1:
            del request.inputs[place]
            rows, values = request.inputs[0].shape[0], _flat(tensor)
            if len(values) not in (1, rows):
                raise BadRequestError(f"input {name} has {len(values)} values: give one for each of the {rows} rows")
            return values if len(values) > 1 else values[0]
    value = parameters.get(name)
    return None if isinstance(value, (dict, list)) else value


def _columns(request: Request, features: Features) -> dict[str, Column]:
    given: dict[str, Tensor] = {tensor.name: tensor for tensor in request.inputs}
    unknown = sorted(given.keys() - set(features.inputs))
    missing = [name for name in features.inputs if name not in given]
    if unknown:
        raise BadRequestError(f"input {join_names(unknown)} is unknown: the inputs are {join_names(features.inputs)}")
    if missing:
        raise BadRequestError(
            f"input {join_names(missing)} is missing: give one tensor per feature, with null for a missing value"
        )
    if len(given) < len(request.inputs):
        raise BadRequestError(f"{len(request.inputs)} inputs have {len(given)} names: give each feature once")
    first = request.inputs[0]
    shape = first.shape[:1]
    for tensor in request.inputs:
        if tensor.shape == shape:
            continue
        if tensor.shape[1:] not in ([], [1]):
            raise BadRequestError(f"input {tensor.name} has the shape {tensor.shape}: make it [n] or [n, 1]")
        if tensor.shape[0] != first.shape[0]:
            raise BadRequestError(
                f"input {tensor.name} has {tensor.shape[0]} rows, input {first.name} {first.shape[0]}: "
                "give every input the same number"
            )
    columns: dict[str, Column] = {**_number_columns([given[name] for name in features.numbers])}
    columns |= {name: _flat(given[name]) for name in (*features.categories, *features.texts)}
    return columns | {name: _times(given[name], time_format) for name, time_format in features.times.items()}


def _matrix(tensor: Tensor, features: Features) -> dict[str, Column]:
    if others := [name for name in features.inputs if name not in features.numbers]:
        kind = "categorical " if features.categories else ""
        raise BadRequestError(
            f"input {tensor.name} is not a feature, and one tensor for all features cannot hold the {kind}"
            f"{join_names(others)}: give one tensor per feature"
        )
    if tensor.shape[1] != len(features.numbers):
        raise BadRequestError(
            f"input {tensor.name} has the shape {tensor.shape}: make it [n, {len(features.numbers)}], "
            f"with the columns {join_names(features.numbers)}"
        )
    values = _numbers(tensor).reshape(tensor.shape)
    return dict(zip(features.numbers, values.T, strict=True))


def _times(tensor: Tensor, time_format: str | None) -> NDArray[np.datetime64]:
    """The times, in UTC; a value that is not one is refused here, since it would fail all requests of a batch."""
    from perennial_trainer.data.derived.times import times_of_feature  # half a second, for pandas

    times, unreadable = times_of_feature(tensor.name, _flat(tensor), time_format)
    if unreadable is not None:
        row = int(np.flatnonzero(unreadable.mask)[0]) // math.prod(tensor.shape[1:])
        wanted = (
            f"a time written as {time_format}" if time_format else "a time in ISO 8601, such as 2026-11-22T13:00:00Z"
        )
        raise BadRequestError(f"input {tensor.name} in row {row} (the first row is 0) is not {wanted}: correct it")
    return np.asarray(times.dt.tz_localize(None).to_numpy(), dtype="datetime64[us]")


def _number_columns(tensors: list[Tensor]) -> dict[str, NDArray[np.float64]]:
    """All at once, as far as nothing is to be refused: one by one, ten features cost a tenth of a millisecond more."""
    if tensors and {"BYTES", "UINT64"}.isdisjoint([tensor.datatype for tensor in tensors]):
        try:
            floats = np.array([tensor.data for tensor in tensors], dtype=np.float64)  # None becomes NaN
        except (OverflowError, ValueError, TypeError):  # a large integer, or data that are nested or of other lengths
            floats = np.empty(0)
        if floats.shape == (len(tensors), tensors[0].shape[0]) and not np.count_nonzero(too_large(floats)):
            return {tensor.name: row for tensor, row in zip(tensors, floats, strict=True)}
    return {tensor.name: _numbers(tensor) for tensor in tensors}


def _numbers(tensor: Tensor) -> NDArray[np.float64]:
    if tensor.datatype == "BYTES":
        raise BadRequestError(
            f"input {tensor.name} has the datatype BYTES, but the feature is numeric: send numbers as FP64"
        )
    values = tensor.data if isinstance(tensor.data, np.ndarray) else _flat(tensor)
    try:
        floats = np.array(values, dtype=np.float64)  # None becomes NaN
    except OverflowError:  # an integer of hundreds of digits
        floats = np.array(
            [math.inf if isinstance(each, int) and abs(each) > LARGEST else each for each in values], dtype=np.float64
        )
    exceeding = too_large(floats)
    if exceeding.any():
        place = int(exceeding.argmax())
        raise BadRequestError(
            f"input {tensor.name} is {floats[place]:.6g} in row {place // math.prod(tensor.shape[1:])} (the first row "
            f"is 0), which no model can use: send null for a missing value"
        )
    return floats


def _flat(tensor: Tensor) -> list[Any]:
    """The values in row-major order, as many as the shape has."""
    if isinstance(tensor.data, np.ndarray):
        return [None if value != value else value for value in tensor.data.tolist()]
    data: list[Any] = tensor.data
    width = tensor.shape[1:]
    if list in set(map(type, data)):
        if any(not isinstance(row, list) or [len(row)] != width for row in data):
            raise BadRequestError(
                f"input {tensor.name} has rows that do not fit the shape {tensor.shape}: fix one of the two"
            )
        data = list(chain.from_iterable(data))
    if len(data) != math.prod(tensor.shape):
        raise BadRequestError(
            f"input {tensor.name} has {len(data)} values, but the shape {tensor.shape}: fix one of the two"
        )
    if tensor.datatype == "UINT64":  # the decoder takes larger integers
        _check_uint64(tensor, data)
    return data


def _check_uint64(tensor: Tensor, data: list[Any]) -> None:
    for index, value in enumerate(data):
        if value is not None and value > MAX_UINT64:
            row = index // math.prod(tensor.shape[1:])
            raise BadRequestError(
                f"input {tensor.name} is {str(value)[:60]} in row {row} (the first row is 0): "
                f"the greatest UINT64 is {MAX_UINT64}"
            )
