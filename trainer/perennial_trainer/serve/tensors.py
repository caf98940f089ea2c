"""The body of an Open Inference Protocol v2 request as typed tensors.

Source: https://kserve.github.io/website/docs/concepts/architecture/data-plane/v2-protocol. Data may be flat or nested,
and null is a missing value. Fields that the protocol leaves to extensions are ignored.
"""

import functools
import json
import operator
import re
from contextlib import suppress
from typing import Annotated, Any, ClassVar

import msgspec
import orjson
from msgspec import Meta


class BadRequestError(Exception):
    """The message is one sentence for the client: the input, the value and the fix."""


class InputParameters(msgspec.Struct):
    binary_data_size: Annotated[int, Meta(ge=0)] | None = None


class OutputParameters(msgspec.Struct):
    binary_data: bool | None = None


class Tensor(msgspec.Struct, kw_only=True):
    """An input of shape [n] or [n, k]; `data` is flat or has one list per row, and an array if it was binary."""

    name: str
    shape: Annotated[list[Annotated[int, Meta(ge=1)]], Meta(min_length=1, max_length=2)]
    data: Any = msgspec.UNSET
    parameters: InputParameters | None = None
    datatype: ClassVar[str]


class Output(msgspec.Struct):
    name: str
    parameters: OutputParameters | None = None


class Request(msgspec.Struct, kw_only=True):
    inputs: list[Tensor]
    id: str | None = None
    parameters: msgspec.Raw = msgspec.Raw()
    outputs: list[Output] | None = None


def _integer(low: int, high: int) -> Any:
    return Annotated[int, Meta(ge=low, le=high)]


def _tensor(datatype: str, value: Any) -> Any:
    """The struct of a tensor with this datatype, whose data are such values."""
    data = ("data", list[value | list[value | None] | None] | msgspec.UnsetType, msgspec.UNSET)
    options: Any = {"kw_only": True, "tag": datatype, "tag_field": "datatype", "namespace": {"datatype": datatype}}
    return msgspec.defstruct(datatype, [data], bases=(Tensor,), **options)


def _some(item: Any) -> Any:
    return Annotated[list[item], Meta(min_length=1)]


_VALUES: dict[str, Any] = {
    **{f"FP{bits}": float for bits in (16, 32, 64)},
    **{f"INT{bits}": _integer(-(1 << bits - 1), (1 << bits - 1) - 1) for bits in (8, 16, 32, 64)},
    **{f"UINT{bits}": _integer(0, (1 << bits) - 1) for bits in (8, 16, 32)},
    "UINT64": Annotated[int, Meta(ge=0)],  # msgspec takes no bound beyond 63 bits
    "BOOL": bool,
    "BYTES": str,
}
_TENSOR = functools.reduce(operator.or_, (_tensor(datatype, value) for datatype, value in _VALUES.items()))
_REQUEST = msgspec.defstruct("Request", [("inputs", _some(_TENSOR))], bases=(Request,), kw_only=True)
_DECODER: msgspec.json.Decoder[Any] = msgspec.json.Decoder(_REQUEST)


def decode(body: bytes) -> Request:
    """The request in the body; else a BadRequestError that names the place, the value there and what was expected."""
    try:
        request: Request = _DECODER.decode(body)
        return request
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadRequestError(_describe(error, body)) from None


def _describe(error: Exception, body: bytes) -> str:
    problem, _, path = str(error).replace("`", "").partition(" - at $")
    try:
        root = orjson.loads(body)
    except orjson.JSONDecodeError as malformed:
        if not path:
            near = malformed.doc[max(malformed.pos - 1, 0) : malformed.pos + 8]
            hint = "; write null for a missing value" if re.search("NaN|Infinity", near) else ""
            return f"the body is not JSON: {malformed}{hint}"
        root = _parse_any_number(body)
    path = path.lstrip(".")
    place, value_text = path or "the body", ""
    with suppress(LookupError, TypeError):  # a key given twice: the decoder means the other one
        value = root
        for key, index in re.findall(r"(\w+)|\[(\d+)\]", path):
            value = value[key or int(index)]
        if not isinstance(value, (dict, list)):
            value_text = f" is {value if isinstance(value, _Literal) else orjson.dumps(value).decode():.60}"
        if path.startswith("inputs["):
            place += f" (input {root['inputs'][int(path[7 : path.index(']')])]['name']!s:.60})"
    hint = f"; use one of {', '.join(_VALUES)}" if path.endswith(".datatype") else ""
    return f"{place}{value_text}: {problem[:1].lower()}{problem[1:]}{hint}"


def _parse_any_number(body: bytes) -> Any:
    """The body with every number as its text: orjson gives up at one that no float can be."""
    with suppress(ValueError, RecursionError):
        return json.loads(body, parse_int=_Literal, parse_float=_Literal, parse_constant=_Literal)


class _Literal(str):
    """A number as it is written."""
