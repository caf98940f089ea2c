"""Tensors in binary form have the meaning that they have as JSON, and what is malformed is refused with the fix."""

import json
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perennial_trainer.serve import protocol
from perennial_trainer.serve.binary.reading import HEADER
from perennial_trainer.serve.binary.writing import encode
from perennial_trainer.serve.tensors import BadRequestError
from tests.serve.conftest import Deployed
from tests.serve.processes import MIXED
from tests.serve.requests import ROWS, request

INFER = "/v2/models/bike-demand/infer"
DTYPES = {"FP64": "<f8", "FP32": "<f4", "INT32": "<i4", "UINT64": "<u8", "BOOL": "?", "BYTES": object}


def tensor(name: str, datatype: str, values: list[Any]) -> tuple[dict[str, Any], bytes]:
    """An input without its data, and its bytes."""
    missing = [np.nan if value is None else value for value in values]
    data = encode(np.array(missing, dtype=DTYPES[datatype]))
    fields = {"name": name, "shape": [len(values)], "datatype": datatype}
    return fields | {"parameters": {"binary_data_size": len(data)}}, data


def body(tensors: list[tuple[dict[str, Any], bytes]], **fields: Any) -> tuple[bytes, str]:
    """A body with these inputs, and the length of its JSON."""
    content = json.dumps({"inputs": [head for head, _ in tensors], **fields}).encode()
    return b"".join([content, *(data for _, data in tensors)]), str(len(content))


def read(content: bytes, length: str | None) -> protocol.Inference:
    return protocol.read_request(content, MIXED, ["predict"], json_length=length)


VALUES: dict[str, st.SearchStrategy[Any]] = {
    "FP64": st.none() | st.floats(-1e9, 1e9),
    "FP32": st.none() | st.floats(-1e9, 1e9, width=32),
    "INT32": st.integers(-(2**31), 2**31 - 1),
    "UINT64": st.integers(0, 2**53),
    "BOOL": st.booleans(),
    "BYTES": st.text(st.characters(exclude_categories=["Cs"])),
}


@st.composite
def columns(draw: st.DrawFn) -> list[tuple[str, str, list[Any]]]:
    rows = draw(st.integers(1, 4))
    chosen = []
    for name in MIXED.names:
        datatype = draw(st.sampled_from([each for each in VALUES if name == "season" or each != "BYTES"]))
        chosen.append((name, datatype, draw(st.lists(VALUES[datatype], min_size=rows, max_size=rows))))
    return chosen


@given(columns(), st.sets(st.integers(0, 2)))
def test_binary_tensors_are_read_as_their_json(chosen: list[tuple[str, str, list[Any]]], plain: set[int]) -> None:
    as_json = [{"name": name, "shape": [len(data)], "datatype": kind, "data": data} for name, kind, data in chosen]
    expected = read(orjson.dumps({"inputs": as_json}), None)
    mixed = [(as_json[place], b"") if place in plain else tensor(*each) for place, each in enumerate(chosen)]
    inference = read(*body(mixed))
    assert inference.rows == expected.rows
    assert inference.columns["season"] == expected.columns["season"]
    for name in MIXED.numeric:
        assert np.array_equal(inference.columns[name], expected.columns[name], equal_nan=True)


GOOD = [tensor("temp", "FP64", [0.1, 0.5]), tensor("hum", "FP32", [0.5, None]), tensor("season", "BYTES", ["1", "é"])]


@given(st.data())
def test_malformed_frames_are_refused_and_never_fail(data: st.DataObject) -> None:
    content, length = body(GOOD)
    changed = bytearray(content)
    for _ in range(data.draw(st.integers(0, 4))):
        changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(changed)[: data.draw(st.integers(0, len(changed)))] + data.draw(st.binary(max_size=5))
    near = st.integers(int(length) - 3, len(content) + 3).map(str)
    try:
        inference = read(cut, data.draw(near | st.sampled_from([length, "", "-1", "1e2", "٣", "9" * 30, "x"])))
    except BadRequestError as error:
        assert "\n" not in str(error)
    else:
        assert all(len(column) == inference.rows for column in inference.columns.values())


def frame(**changes: Any) -> tuple[bytes, str]:
    """A good body of which the input `temp` has these changes."""
    return body([(GOOD[0][0] | changes, GOOD[0][1]), *GOOD[1:]])


def season(data: bytes) -> tuple[bytes, str]:
    return body([*GOOD[:2], (GOOD[2][0] | {"parameters": {"binary_data_size": len(data)}}, data)])


@pytest.mark.parametrize(
    ("sent", "sentence"),
    [
        ((body(GOOD)[0], "x"), f"the header {HEADER} is 'x', but the body has"),
        ((b"{}", "3"), f"the header {HEADER} is '3', but the body has 2 bytes: give the length of its JSON"),
        (
            (body([(head, b"") for head, _ in GOOD])[0], None),
            f"input temp has binary_data_size: give the header {HEADER}",
        ),
        (frame(data=[0.1, 0.5]), "input temp has data and binary_data_size: give one of the two"),
        (frame(parameters={}), "inputs[0] (input temp): object missing required field data"),
        (frame(parameters={"binary_data_size": -1}), "inputs[0].parameters.binary_data_size (input temp) is -1: "),
        (frame(parameters={"binary_data_size": 99}), "input temp has the binary_data_size 99, but 35 bytes are left"),
        (frame(shape=[3]), "input temp has the binary_data_size 16, but the shape [3] of FP64 has 24 bytes: fix one"),
        (frame(datatype="BOOL", shape=[16]), "input temp is 224 as BOOL: send bytes of 0 and 1"),
        (body([*GOOD[:2], (GOOD[2][0], GOOD[2][1] + b"xy")]), "2 bytes of the body belong to no input: correct"),
        (season(b"\x01\0\0\0" + b"1\x09\0"), "input season ends within the text in row 1 (the first row is 0): give"),
        (season(b"\xff\xff\xff\xff"), "input season ends within the text in row 0 (the first row is 0): give each"),
        (season(b"\x01\0\0\0\xff"), "input season is not UTF-8 in row 0 (the first row is 0): encode it as UTF-8"),
        (season(b"\0\0\0\0" * 3), "input season has 3 values, but the shape [2]: fix one of the two"),
        (
            body([tensor("temp", "FP64", [0.1, np.inf]), *GOOD[1:]]),
            "input temp is inf in row 1 (the first row is 0), which no model can use: send null for a missing value",
        ),
    ],
)
def test_refusal_names_the_input_and_the_fix(sent: tuple[bytes, str | None], sentence: str) -> None:
    with pytest.raises(BadRequestError) as refused:
        read(*sent)
    assert str(refused.value).startswith(sentence)


def outputs(response: Any) -> dict[str, list[Any]]:
    """The values of each output of a response, whichever form they have."""
    length = int(response.headers.get(HEADER, len(response.content)))
    content, rest = json.loads(response.content[:length]), response.content[length:]
    values: dict[str, list[Any]] = {}
    for output in content["outputs"]:
        size = output.get("parameters", {}).get("binary_data_size")
        data, rest = rest[:size], rest[size or 0 :]
        if size is None:
            values[output["name"]] = output["data"]
        elif output["datatype"] == "BYTES":
            values[output["name"]] = []
            while data:
                end = 4 + int.from_bytes(data[:4], "little")
                values[output["name"]].append(data[4:end].decode())
                data = data[end:]
        else:
            values[output["name"]] = np.frombuffer(data, "<f8").tolist()
    assert not rest
    return values


BOTH = [{"name": "predict"}, {"name": "predict_proba"}]
IN_BINARY = [each | {"parameters": {"binary_data": True}} for each in BOTH]


@pytest.mark.parametrize(
    ("fields", "binary"),
    [
        ({"outputs": BOTH}, 0),
        ({"outputs": IN_BINARY}, 2),
        ({"outputs": [BOTH[0], IN_BINARY[1]]}, 1),
        ({"outputs": BOTH, "parameters": {"binary_data_output": True}}, 2),
        (
            {"outputs": [{"name": "predict", "parameters": {"binary_data": False}}, BOTH[1]]}
            | {"parameters": {"binary_data_output": True}},
            1,
        ),
    ],
)
def test_answers_are_those_to_json(classification: Deployed, fields: dict[str, Any], binary: int) -> None:
    client = classification.server.client
    expected = outputs(classification.server.infer(request(ROWS, outputs=BOTH)))
    types = {"temp": "FP64", "hum": "FP64", "season": "BYTES"}
    content, length = body([tensor(name, types[name], ROWS[name].tolist()) for name in types], **fields)
    responses = [client.post(INFER, content=content, headers={HEADER: length})]
    responses.append(client.post(INFER, json=request(ROWS, **fields)))
    for response in responses:
        assert outputs(response) == expected
        assert (HEADER in response.headers) == bool(binary)
        assert response.content.count(b"binary_data_size") == binary
